"""What `mmer monitor` shows of a running graph; pure functions of a state, without ROS."""
