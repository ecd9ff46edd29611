"""Messages of several ROS packages to and from the types of the core; needs no ROS."""
