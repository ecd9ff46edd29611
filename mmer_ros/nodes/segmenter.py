"""The executable `segmenter`."""

from functools import partial

from mmer_ros.nodes import process

NODE = 'mmer_ros.nodes.segmenter_node', 'SegmenterNode'
main, run = partial(process.main, *NODE), partial(process.run, *NODE)

if __name__ == '__main__':
    run()
