"""``bshm cut``, or ``bshm`` alone: cut people out of photos."""

from __future__ import annotations

import argparse
import contextlib
import glob
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bshm.cli import ending, form, network, scene_flags, terminal
from bshm.cli.cut_flags import OTHER_PHOTOS, RESULTS, SAMPLE, build_parser, parse
from bshm.cli.report import Report
from bshm.codec.formats import EXTENSIONS
from bshm.errors import InputError

if TYPE_CHECKING:
    from bshm.batch.outputs import Job
    from bshm.batch.sources import Source
    from bshm.matting import AlphaMatting
    from bshm.pipeline import Recipe


def run(arguments: list[str]) -> int:
    """Cut out the photos that the arguments name; the exit code."""
    parser = build_parser()
    args = parse(parser, arguments)
    args.verbose = terminal.verbose(args.verbose)
    terminal.check_installation()
    recipe = form.recipe(args, parser)
    return work(args, parser, *scene_flags.read_recipes(args, parser, recipe))


def work(
    args: argparse.Namespace,
    parser: argparse.ArgumentParser,
    recipes: list[Recipe],
    backgrounds: list[Source],
) -> int:
    """Do the photos that the arguments name, each by the next of the recipes; the exit code."""
    from bshm.batch import sources

    jobs = _plan(args, parser, recipes[0])
    others = [*sources.lists(args.photos), *backgrounds]
    with terminal.alone_on_stderr(args.verbose):
        return _run(args, jobs, recipes, others)


def _plan(args: argparse.Namespace, parser: argparse.ArgumentParser, recipe: Recipe) -> list[Job]:
    """The photos that are named, and where the cutout of each goes."""
    from bshm.batch import outputs, sources

    photos = sources.expand(args.photos or [_sample(parser)], args.recursive)
    if args.output is None:
        if args.output_dir == RESULTS and _names_output(args.photos, photos):
            photos[1] = replace(photos[1], read=partial(_told_of_o, photos[1]))
        folder, name = outputs.to_output(args.output_dir), form.stem(args.name)
        return list(outputs.plan(photos, folder, name, recipe.format, args.both, args.force))
    if len(photos) != 1:
        parser.error("-o takes one photo, got %d; use -d for several" % len(photos))
    if args.output.endswith(("/", os.sep)) or args.output in (os.curdir, os.pardir):
        parser.error("-o takes a file, got the folder %s; use -d for folders" % args.output)
    if args.output != "-":
        path = outputs.to_output(args.output)
        matte = path.with_name(path.stem + outputs.MATTE_ENDING) if args.both else None
        return [outputs.to_file(photos[0], path, True, matte, args.force)]
    if args.json:
        parser.error("-o - and --json both want stdout; write the picture to a file")
    if sys.stdout is not None and sys.stdout.isatty():
        parser.error("-o -: stdout is a terminal; pipe the picture on, or name a file")
    return [outputs.Job(photos[0], terminal.write_stdout)]


def _names_output(named: list[str], photos: list[Source]) -> bool:
    """Whether the second of two names is likely to be the first one's result: other tools take
    ``photo.jpg out.png`` so."""
    from bshm.batch.sources import Kind

    kinds = [photo.kind is Kind.MISSING for photo in photos]
    looks_so = len(named) == 2 and named[1].lower().endswith(EXTENSIONS)
    return looks_so and kinds == [False, True] and not glob.has_magic(named[1])


def _told_of_o(missing: Source) -> bytes:
    """Read a photo that is missing, and raise what that raises, with a word of ``-o``."""
    try:
        return missing.read()
    except InputError as error:
        reason = "%s; to write the result there: -o %s" % (error.reason, missing.name)
        raise InputError(reason, error.subject, error.code) from error


def _sample(parser: argparse.ArgumentParser) -> str:
    """The default input: in the current folder, else beside the script, for cron jobs."""
    for path in (SAMPLE, str(Path(sys.argv[0]).resolve().parent / SAMPLE)):
        if os.path.exists(path):
            return path
    parser.error("which photo? bshm PHOTO, %s; bshm --help tells more" % OTHER_PHOTOS)


def _run(
    args: argparse.Namespace, jobs: list[Job], recipes: list[Recipe], others: list[Source]
) -> int:
    """Do the jobs; ``others`` are read beside their photos, and stay as they are."""
    from bshm.batch.outputs import OverwriteGuard
    from bshm.batch.run import run_all

    guard = OverwriteGuard(jobs, others)
    report = Report(args, len(jobs))

    def load_matting() -> AlphaMatting:
        with report.bar.aside():
            return stack.enter_context(network.load(args))

    with contextlib.ExitStack() as stack, ending.told(report, len(jobs)) as stop_if_asked:
        run_all(
            jobs, load_matting, report.tell, recipes,
            args.skip_existing, stop_if_asked, when_seen=stack.close, guard=guard,
        )  # fmt: skip
    return report.sum_up(len(jobs))
