"""What the versions of Brian2 do differently is the same in the end."""

import time

from brianconv import RunSettings
from brianconv.simulation.program import compile_network


def test_a_profiled_program_tells_the_seconds_of_its_operations(small_spiking, small_images):
    program = compile_network(small_spiking, profile=True)
    start = time.perf_counter()
    written = program.run(small_spiking, small_images, RunSettings(200))
    elapsed = time.perf_counter() - start
    seconds = {name: float(value[0]) for name, value in written.items() if name.startswith("seconds_")}
    for population in small_spiking.populations:
        assert any(population in name for name in seconds), seconds
    assert 0 < sum(seconds.values()) <= elapsed, seconds
