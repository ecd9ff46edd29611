"""The view of `mmer monitor`: pure functions of a state, without ROS."""
