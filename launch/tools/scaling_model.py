"""How long a step takes on so many ranks: compute, shared out, and the part of the gradients' way that compute does not hide."""
import math
import random
from dataclasses import dataclass

BUCKET = 1_048_576
# Backward's part of a shard's forward and backward.
BACKWARD = 2 / 3


@dataclass
class Machine:
    # Cores that all ranks share; None: every rank has its own.
    cores: int
    threads: int
    ranks_per_host: int
    # Latency of a message in seconds, seconds per byte.
    within: list
    between: list


@dataclass
class Work:
    recordings: int
    shards: int
    # Forward and backward of one recording on one rank alone; what every rank does once per step.
    seconds_per_recording: float
    seconds_per_step: float
    # Rows of the rank that has most, over those of the average rank: all wait for it.
    busiest: float
    parameters: int
    bytes_per_number: int
    overlaps: bool


def busiest(steps, ranks):
    """Rows of the rank that has most, over those of the average rank; `steps`: for each the rows of its recordings, rank after rank."""
    most = mean = 0.0
    for rows in steps:
        each = len(rows) // ranks
        most += max(sum(rows[rank * each:(rank + 1) * each]) for rank in range(ranks))
        mean += sum(rows) / ranks
    return most / mean


def drawn(lengths, recordings, steps=100):
    """Steps of so many recordings, drawn from the lengths that are known; the same ones every time."""
    chance = random.Random(0)
    return [[chance.choice(lengths) for _ in range(recordings)] for _ in range(steps)]


def message_seconds(work, machine, ranks):
    """Both rounds of all buckets: pieces to those that add them up, results to all."""
    if ranks == 1:
        return 0.0
    buckets = math.ceil(work.parameters / BUCKET)
    size = work.parameters * work.bytes_per_number
    local = min(ranks, machine.ranks_per_host)
    hosts = ranks // local

    def level(members, bytes_shared, link):
        alpha, beta = link
        return 2 * (members - 1) * buckets * alpha + 2 * (members - 1) / members * bytes_shared * beta if members > 1 else 0.0

    # The ranks of a host share its way out: together they carry the gradients once.
    total = 0.0
    for members, link in ((local, machine.within), (hosts, machine.between)):
        part = size
        for group in groups(members):
            total += level(group, part, link)
            part /= group
    return total


def groups(count, most=8):
    """How many of so many ranks or hosts exchange pieces at each level (training.reduction_group); prime factors above stay whole."""
    result = []
    while count > 1:
        bounded = next((divisor for divisor in range(min(most, count), 1, -1) if count % divisor == 0), None)
        result.append(bounded or next(divisor for divisor in range(2, count + 1) if count % divisor == 0))
        count //= result[-1]
    return result


def step_seconds(work, machine, ranks):
    crowd = max(1.0, ranks * machine.threads / machine.cores) if machine.cores else 1.0
    # Ranks that share cores wait for each other in any case.
    compute = work.recordings / ranks * work.seconds_per_recording * max(crowd, work.busiest)
    way = message_seconds(work, machine, ranks)
    if work.overlaps and way > 0:
        # Only the last shard's backward hides, and never the last bucket, which is complete at its end.
        last = compute / (work.shards / ranks) * BACKWARD
        buckets = math.ceil(work.parameters / BUCKET)
        way = max(way / buckets, way - last)
    return compute + work.seconds_per_step * crowd + way


def efficiency(kind, row, field):
    """One rank's time alone over that of the ranks together, a part of 1."""
    return row["seconds_alone"] / row[field] / (1 if kind == "weak" else row["ranks"])
