"""Times a model's operations one by one.

No TFLite interpreter for Python tells these times. So the file is cut after each of its operations in turn,
and what an operation adds is its time; delegates take the pieces as they take the whole. What the
differences can't show is that a cut copies out what would have stayed inside: an operation's time is
good to a microsecond or so, and the sum is that of the whole model. ONNX Runtime tells the times itself.
"""

import importlib
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgits.benchmarks.graph import SHAPES, tflite_graph
from edgits.edge.runtimes import Floats
from edgits.errors import require
from edgits.quiet import quiet

_ROUNDS = 5
_SECONDS = 2.0  # of a whole profile, about


@dataclass(frozen=True)
class OperationTime:
    """What one operation takes.

    Attributes:
        name: As its format calls it.
        us: Microseconds, at least 0.
        delegated: Whether a delegate runs it; False also where there are no delegates.
        types: NumPy names of its inputs' types and its first output's, where they are known.
    """

    name: str
    us: float
    delegated: bool
    types: tuple[str, ...] = ()


def tflite_times(
    data: bytes, interpreter: Callable[..., Any], image: npt.NDArray[Any], threads: int
) -> list[OperationTime]:
    """Times the operations of a TFLite model.

    Args:
        data: The file's bytes.
        interpreter: The runtime's class.
        image: One input in the model's own numbers, (1, …).
        threads: Threads of one inference.

    Returns:
        Its operations in order, without those that only compute shapes; none where the format's schema isn't installed.
    """
    pieces = []
    for piece in _cut(data):
        with quiet():
            loaded = interpreter(model_content=piece, num_threads=threads)
            loaded.allocate_tensors()
        loaded.set_tensor(loaded.get_input_details()[0]["index"], image)
        pieces.append(loaded)
    if not pieces:
        return []
    took = _medians([piece.invoke for piece in pieces])
    steps = tflite_graph(pieces[-1]).computing
    added = np.maximum(np.diff([0.0, *took]), 0)
    return [
        OperationTime(step.name, float(us), step.delegated, step.types) for step, us in zip(steps, added, strict=True)
    ]


def _medians(calls: Sequence[Callable[[], Any]]) -> list[float]:
    """Returns the median microseconds of each call, all timed in turn."""
    took: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()
    began = time.perf_counter()
    for call in calls:
        call()
    once = time.perf_counter() - began
    repeats = int(np.clip(_SECONDS / _ROUNDS / max(once, 1e-6), 3, 200))
    for _ in range(_ROUNDS):
        for call, times in zip(calls, took, strict=True):
            call()
            for _ in range(repeats):
                began = time.perf_counter_ns()
                call()
                times.append((time.perf_counter_ns() - began) / 1000)
    return [float(np.median(times)) for times in took]


def _cut(data: bytes) -> list[bytes]:
    """Cuts a model after each operation that computes; what is still needed then are its outputs."""
    try:
        schema = importlib.import_module("ai_edge_litert.schema_py_generated")
        flatbuffers = importlib.import_module("flatbuffers")
    except ImportError:
        return []
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    model.signatureDefs = None
    graph = model.subgraphs[0]
    steps, results = list(graph.operators), {int(index) for index in graph.outputs}
    pieces = []
    for place, step in enumerate(steps, start=1):
        code = model.operatorCodes[step.opcodeIndex]
        if names.get(max(code.builtinCode, code.deprecatedBuiltinCode)) in SHAPES:
            continue
        made = {int(index) for done in steps[:place] for index in done.outputs}
        wanted = results | {int(index) for later in steps[place:] for index in later.inputs}
        graph.operators, graph.outputs = steps[:place], np.array(sorted(made & wanted), np.int32)
        builder = flatbuffers.Builder(len(data))
        builder.Finish(model.Pack(builder), b"TFL3")
        pieces.append(bytes(builder.Output()))
    return pieces


def onnx_times(data: bytes, image: Floats, threads: int, *, repeats: int = 200) -> list[OperationTime]:
    """Times the operations of an ONNX model by ONNX Runtime's own profile: whole microseconds, averaged.

    Args:
        data: The file's bytes.
        image: One input in the model's own numbers, (1, …).
        threads: Threads of one inference.
        repeats: Inferences averaged.
    """
    onnxruntime = require("onnxruntime", extra="onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_profiling = True
    with tempfile.TemporaryDirectory(prefix="edgits-") as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        for _ in range(repeats):
            session.run(None, {name: image})
        events = json.loads(Path(session.end_profiling()).read_text())
    took: dict[str, list[float]] = defaultdict(list)
    kinds: dict[str, str] = {}
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
            took[event["name"]].append(event["dur"])
            kinds[event["name"]] = event["args"]["op_name"]
    # an event is written when its node has run, so the order is that of the first run
    return [
        OperationTime(kinds[node], float(np.mean(times[len(times) // 10 :])), delegated=False)
        for node, times in took.items()
    ]
