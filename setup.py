# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

from pathlib import Path

from setuptools import find_packages, setup

package_name = 'mmer_ros'


def files(pattern):
    """Return the files that match, as data_files wants them."""
    return sorted(str(path) for path in Path().glob(pattern) if path.is_file())


# What torch runs: the same networks on GPUs, bundles without graphs, training.
TORCH = [
    'facenet-pytorch>=2.5.3',  # 2.6.0 asks for torch below 2.3, so pip takes 2.5.3
    'silero-vad>=6.2',  # older ones need torchaudio
    'torch>=2.5',
    'transformers>=4.46',
]

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(include=['mmer_ros', 'mmer_ros.*']),
    package_data={package_name: ['**/*.json', '**/*.html', '**/*.css', '**/*.js', '**/*.txt',
                                 '**/*.xml', 'bundles/*/*', 'sensing/graphs/*', 'py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
        # `ros2 run` and launch look here. Console scripts would be put into bin/ by pip, where
        # `watch` and `monitor` would hide the system's.
        ('lib/' + package_name, files('resource/executables/*')),
        ('share/' + package_name + '/launch', files('launch/*.py')),
        ('share/' + package_name + '/config', files('config/*')),
        ('share/' + package_name + '/config/sros2', files('config/sros2/*')),
        ('share/' + package_name + '/examples/behaviour_tree', files('examples/behaviour_tree/*')),
        ('share/' + package_name + '/examples/subscribers', files('examples/subscribers/*')),
    ],
    python_requires='>=3.10',
    install_requires=[
        'setuptools',
        'av',
        'jinja2>=3',
        'numpy>=1.26',
        'onnxruntime>=1.20',
        'opencv-python-headless',
        'pillow',
        'pydantic>=2',
        'pyyaml',
        'rich',
        'rosbags',
        'safetensors',
        'soxr',
        'tokenizers',
        'typing-extensions',
    ],
    extras_require={
        'asr': ['faster-whisper>=1.1'],
        'docs': ['furo', 'myst-parser>=2', 'sphinx>=7', 'sphinx-copybutton'],
        'evaluation': ['scikit-learn'],
        'examples': ['py_trees>=2.2'],
        'live': ['aiohttp>=3.9'],
        # Downloads WaveRNN's published weights. A torchaudio loads only beside the torch that it
        # was built for; these are a pair, and the last one.
        'published': [*TORCH, 'torch>=2.11,<2.12', 'torchaudio>=2.11,<2.11.1'],
        'test': ['hypothesis', 'pytest'],
        'torch': TORCH,
        'training': [*TORCH, 'accelerate', 'onnx', 'optuna', 'peft', 'pyyaml', 'scikit-learn',
                     'scipy', 'tensorboard'],
    },
    zip_safe=True,
    author='The mmer_ros authors',
    maintainer='The mmer_ros maintainers',
    maintainer_email='maintainers@mmer-ros.org',
    description='Multimodal emotion recognition for human-robot interaction',
    license='Apache-2.0',
    entry_points={
        'console_scripts': ['mmer = mmer_ros.cli.main:main'],
        # Commands of mmer that need ROS, which mmer_ros.cli.main does not import.
        'mmer_ros.ros_commands': ['live = mmer_ros.nodes.tools.live:run',
                                  'monitor = mmer_ros.nodes.tools.monitor:run'],
    },
)
