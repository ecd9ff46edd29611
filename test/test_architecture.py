"""The walls between the rooms, and the house rules that can be seen in the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
import subprocess
import sys

import pytest

from .fixtures.stream import ROOT

ROS = ('rclpy', 'launch', 'launch_ros', 'lifecycle_msgs', 'builtin_interfaces', 'cv_bridge',
       'ament_index_python', 'rosidl_runtime_py', 'rosbag2_py', 'ros2cli', 'tf2_ros')
MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 60


def files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob('*.py'))


NODES = files('mmer_ros/nodes')
CORE = [path for path in files('mmer_ros') if path not in NODES]
TRAINING, TOOLS = files('training'), files('tools')
SOURCES = [*CORE, *NODES, *TRAINING, *TOOLS, *files('launch'), *files('examples'),
           ROOT / 'setup.py']


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


each_source = pytest.mark.parametrize('path', SOURCES, ids=name_of)


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf-8'))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the modules that one statement imports, `from a import b` as a and as a.b."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0 and node.module, 'imports are absolute'
        yield node.module
        yield from (f'{node.module}.{alias.name}' for alias in node.names)


def imports(path: Path) -> set[str]:
    """Return all that a file imports, within functions as well."""
    found = {name for node in ast.walk(parse(path)) for name in imported(node)}
    for node in ast.walk(parse(path)):  # importlib.import_module('name')
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith('import_module'):
            found |= {a.value for a in node.args
                      if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    return found


def within(names: set[str], *packages: str) -> set[str]:
    return {n for n in names if any(n == p or n.startswith(f'{p}.') for p in packages)}


def of_ros(names: set[str]) -> set[str]:
    return within(names, *ROS) | {n for n in names if n.split('.')[0].endswith('_msgs')}


def test_the_rooms_are_not_empty() -> None:
    assert {'types.py', 'recognizer.py', 'pipeline.py'} <= {p.name for p in CORE}
    assert of_ros(imports(ROOT / 'mmer_ros' / 'nodes' / 'managed_node.py')) >= {
        'rclpy.lifecycle'}
    assert TOOLS


@pytest.mark.parametrize('path', CORE, ids=name_of)
def test_the_core_knows_neither_ros_nor_the_other_rooms(path: Path) -> None:
    assert of_ros(imports(path)) == set()
    assert within(imports(path), 'mmer_ros.nodes', 'training', 'tools', 'test') == set()


@pytest.mark.parametrize('path', NODES, ids=name_of)
def test_the_nodes_know_the_core_only(path: Path) -> None:
    assert within(imports(path), 'training', 'tools', 'test') == set()


@pytest.mark.parametrize('path', [*TRAINING, *TOOLS], ids=name_of)
def test_only_the_nodes_speak_ros(path: Path) -> None:
    assert within(imports(path), *ROS) == set()


def test_training_knows_the_core_only() -> None:
    for path in TRAINING:
        assert within(imports(path), 'mmer_ros.nodes', 'test') == set(), path


@pytest.mark.parametrize('path', CORE, ids=name_of)
def test_the_core_reads_no_clock(path: Path) -> None:
    """Time enters as stamps, so that a recording gives the same answer at any speed."""
    assert within(imports(path), 'time', 'datetime') == set()


def module_level_imports(path: Path) -> set[str]:
    """Return what is imported when the file is, that is, outside of functions."""
    found: set[str] = set()
    waiting: list[ast.AST] = [parse(path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == 'TYPE_CHECKING':
            continue
        found |= set(imported(node))
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)
    return found


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of one cycle; none if there is no cycle."""
    done: set[str] = set()

    def visit(module: str, way: list[str]) -> list[str]:
        if module in way:
            return way[way.index(module):]
        if module in done:
            return []
        for following in sorted(graph[module]):
            found = visit(following, [*way, module])
            if found:
                return found
        done.add(module)
        return []

    return next((found for module in graph if (found := visit(module, []))), [])


def test_a_cycle_is_found() -> None:
    assert cycle({'a': {'b'}, 'b': {'c'}, 'c': {'b'}, 'd': set()}) == ['b', 'c']
    assert cycle({'a': {'b', 'c'}, 'b': {'c'}, 'c': set()}) == []


@pytest.mark.parametrize('folder', ['mmer_ros', 'training', 'tools'])
def test_imports_go_round_in_no_circle(folder: str) -> None:
    modules = {module_of(path): path for path in files(folder)}
    graph = {name: (module_level_imports(path) & set(modules)) - {name}
             for name, path in modules.items()}
    assert folder != 'mmer_ros' or 'mmer_ros.types' in graph['mmer_ros.sensing.audio_front_end']
    assert cycle(graph) == []


@each_source
def test_files_and_functions_are_short(path: Path) -> None:
    assert len(path.read_text(encoding='utf-8').splitlines()) <= MAX_FILE_LINES
    for node in ast.walk(parse(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f'{node.name}: {length} lines'


@each_source
def test_nothing_is_unpickled(path: Path) -> None:
    """A pickle runs whatever code it was made to run."""
    assert within(imports(path), 'pickle', 'cPickle', '_pickle', 'dill', 'cloudpickle', 'joblib',
                  'shelve', 'marshal') == set()
    for call in (n for n in ast.walk(parse(path)) if isinstance(n, ast.Call)):
        keywords = {k.arg: ast.unparse(k.value) for k in call.keywords}
        if ast.unparse(call.func) == 'torch.load':
            assert keywords.get('weights_only') == 'True', f'line {call.lineno}'
        assert keywords.get('weights_only') != 'False', f'line {call.lineno}'
        assert keywords.get('allow_pickle') != 'True', f'line {call.lineno}'


@each_source
def test_no_path_of_one_machine_is_written_down(path: Path) -> None:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not node.value.startswith(('/work/', '/home/', '/root/', '/Users/'))


def test_the_recogniser_is_imported_without_ros() -> None:
    """Each module that a client uses, in a process of its own."""
    code = ('import mmer_ros.recognition.pipeline, mmer_ros.cli.main, '
            'mmer_ros.recordings.recording, sys;'
            'print([m for m in sys.modules if m.split(".")[0] in ("rclpy", "launch") '
            'or m.split(".")[0].endswith("_msgs") or m.startswith("mmer_ros.nodes")])')
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    assert done.stdout.strip() == '[]'
