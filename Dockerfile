# mmer_ros on ROS 2 Jazzy (Ubuntu 24.04), for x86-64 and aarch64: docker build --tag mmer_ros .
FROM ros:jazzy-ros-base

# More Debian packages, such as drivers: --build-arg EXTRA_PACKAGES="ros-jazzy-usb-cam"
ARG EXTRA_PACKAGES=""
ENV DEBIAN_FRONTEND=noninteractive
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /ws

# First what seldom changes, so that an edit of the sources does not install it again.
COPY package.xml requirements-robot.txt src/mmer_ros/
COPY mmer_msgs/package.xml src/mmer_ros/mmer_msgs/
# hadolint ignore=DL3008,SC2086
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv ${EXTRA_PACKAGES} \
 && rosdep update --rosdistro jazzy \
 && rosdep install --from-paths src src/mmer_ros/mmer_msgs --ignore-src -y \
        --dependency-types buildtool --dependency-types build --dependency-types exec \
 && rm -rf /var/lib/apt/lists/* /root/.ros
# Ubuntu's pip installs nothing outside of an environment (PEP 668).
RUN python3 -m venv --system-site-packages .venv \
 && touch .venv/COLCON_IGNORE \
 && .venv/bin/pip install --no-cache-dir --requirement src/mmer_ros/requirements-robot.txt
ENV PATH=/ws/.venv/bin:$PATH

COPY . src/mmer_ros
# The entry point of the base image sources ROS; it sources this workspace as well.
RUN . /opt/ros/jazzy/setup.bash \
 && colcon build --base-paths src src/mmer_ros/mmer_msgs \
        --cmake-args -DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=Release \
 && rm -rf build log \
 && sed --in-place '$i source /ws/install/setup.bash --' /ros_entrypoint.sh

# The user "ubuntu" of the base image, which owns what a host's first user owns in /dev/shm.
USER 1000
CMD ["ros2", "launch", "mmer_ros", "emotion.launch.py"]
