"""How far apart the machine's first two cores are: what one's store takes to be seen by the other.

Where that is always the same, nothing here does anything. A virtual machine's cores may be moved: on the one that the
results are from, a flag takes 26 or 160 ns, for seconds or minutes, and small messages take a third longer in the
second state. A library that was measured in one is not compared with one that was measured in the other.
"""

import dataclasses

import peers

ALIKE = 1.5


@dataclasses.dataclass
class Timing:
    """`us`: how long it took (of iperf3: GB/s); `flags_us`: a flag just before and behind, empty where not measured."""

    us: float
    flags_us: list = dataclasses.field(default_factory=list)


def stayed(flags_us):
    """Whether these say that the cores were where they are all the time."""
    return not flags_us or max(flags_us) < ALIKE * min(flags_us)


def alike(one, other):
    """Whether the cores were as far apart for both timings."""
    return stayed([*one.flags_us, *other.flags_us])


def flag_us():
    """[] where there are no two cores, or it cannot be measured."""
    try:
        program = str(peers.build_program("limits"))
    except (peers.PeerError, OSError):
        return []
    output, _ = peers.run_process([program, "--collective", "flag", "--ranks", "2", "--sizes", "8"])
    return [row["time_us"] for row in peers.json_lines(output) if row["limit"] == "flag"]
