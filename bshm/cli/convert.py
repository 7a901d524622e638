"""``bshm convert``: turn a frozen TensorFlow graph into ONNX."""

from __future__ import annotations

from bshm.cli import flags, terminal


def run(arguments: list[str]) -> int:
    from bshm.model import convert

    parser = flags.parser("convert", "Turn a frozen TensorFlow graph into ONNX, if both agree.")
    parser.add_argument("graph", help="frozen graph, such as tf_graph.pb")
    parser.add_argument("model", help="ONNX file to write")
    args = parser.parse_args(arguments)
    terminal.check_installation()
    with terminal.without_chatter(terminal.verbose(False)):
        written = convert.convert(args.graph, args.model)
    terminal.print_text(str(written))
    return terminal.OK
