"""What the requests that clients make most cost the API server, alone or beside the server of another checkout.

    python -m bench.verbs [--store sqlite|etcd|memory] [--against CHECKOUT] [--rounds 10] [--pods 1000]

CPU per request over TLS on 16 connections, the median of the rounds. With --against, both servers get the same requests
in turn, so that what else runs on the machine weighs on both: the ratio is the median of the rounds' ratios, and
beside it stand the values between which half of them lie.
"""

import argparse
import json
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import uvloop

from bench._pods import create, make_account
from bench._requests import KINDS, Kind
from bench._server import Subject, api_server, make_keys, store_for

BATCH: Final = 160

Costs = dict[str, list[list[float]]]
"""The CPU in µs of each kind of request: round by round, that of each server."""


async def cost_us(subject: Subject, kind: Kind, numbers: range) -> float:
    """Return the CPU of one request of a kind, made for each of the numbers."""
    made = []
    for number in numbers:
        found = json.loads(await subject.send("GET", kind.reads(number))) if kind.reads else None
        made.append(kind.make(number, found))
    cost = await subject.measure(range(len(made)), lambda place: subject.send(*made[place]))
    return cost.cpu_us


async def measure(subjects: list[Subject], rounds: int) -> Costs:
    """Make all kinds of requests, round after round; the first round only warms up."""
    costs: Costs = {what: [] for what in KINDS}
    for turn in range(rounds + 1):
        numbers = range(turn * BATCH, (turn + 1) * BATCH)
        in_turn = subjects if turn % 2 else subjects[::-1]
        for what, kind in KINDS.items():
            found = {subject: await cost_us(subject, kind, numbers) for subject in in_turn}
            if turn:
                costs[what].append([found[subject] for subject in subjects])
    return costs


def lines(costs: Costs) -> list[str]:
    """Return the table: this server's cost, and with two of them the other's and the ratio to it."""
    told = []
    for what, rounds in costs.items():
        own = median(here for here, *_ in rounds)
        line = f"{what:34} {own:8.0f}"
        if len(rounds[0]) > 1:
            ratios = [here / there for here, there in rounds]
            low, _, high = quantiles(ratios, n=4)
            other = median(there for _, there in rounds)
            line += f" {other:8.0f} {median(ratios):7.2f}x  {low:.2f}-{high:.2f}"
        told.append(line)
    return told


async def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=("sqlite", "etcd", "memory"), default="sqlite")
    parser.add_argument(
        "--against", type=lambda text: Path(text).resolve(), help="another checkout, whose server is asked the same"
    )
    parser.add_argument("--rounds", type=int, default=10, help=f"of {BATCH} requests of each kind")
    parser.add_argument("--pods", type=int, default=1000, help="how many more there are")
    asked = parser.parse_args()
    trees = [None, *([asked.against] if asked.against else [])]
    async with AsyncExitStack() as stack:
        subjects = [await _subject(stack, asked.store, tree) for tree in trees]
        for subject in subjects:
            await make_account(subject)
            await create(subject, 0, asked.pods)
        costs = await measure(subjects, asked.rounds)
    head = f"{'µs':>8}" + (f" {'other':>8} {'ratio':>8}  half of them" if asked.against else "")
    print(f"CPU of the API server, TLS, {asked.store}, {asked.pods} pods\n{'':34} {head}")
    print("\n".join(lines(costs)))


async def _subject(stack: AsyncExitStack, name: str, tree: Path | None) -> Subject:
    """Start the server of a checkout (None: this one), with keys and a store of its own."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    store = stack.enter_context(store_for(name, folder))
    await make_keys(folder)
    return await stack.enter_async_context(api_server(folder, store, tree))


if __name__ == "__main__":
    uvloop.run(main())
