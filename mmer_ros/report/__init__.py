"""HTML pages and pictures made from timelines, replays and comparisons."""
