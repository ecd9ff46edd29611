"""What is on disk: rosbag2 recordings, media files, clips of MELD."""
