"""The executable `estimator`."""

from functools import partial

from mmer_ros.nodes import process

NODE = 'mmer_ros.nodes.estimator_node', 'EstimatorNode'
main, run = partial(process.main, *NODE), partial(process.run, *NODE)

if __name__ == '__main__':
    run()
