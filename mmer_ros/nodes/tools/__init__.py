"""Command line tools that need ROS: monitor, watch, play; help for demo and benchmarks."""
