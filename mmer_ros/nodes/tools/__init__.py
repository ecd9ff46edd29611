"""Command line tools that need ROS: monitor, watch, play."""
