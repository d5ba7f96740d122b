import os
from functools import partial

import numpy as np
import pytest
from fesbench.contracts import Edit, Failure, Sample
from fesbench.errors import ImageError
from fesbench.execute.loading import ImageLoader, load_ahead


def give(value: int) -> np.ndarray:
    return np.full((4, 4, 3), value, np.uint8)


def broken() -> np.ndarray:
    raise ImageError("x.png is empty")


def process_id() -> np.ndarray:
    return np.full((1, 1, 3), os.getpid() % 251, np.uint8)


def sample(name: str, load) -> Sample:
    return Sample(name, name, "neutral", "studio", load)


@pytest.mark.parametrize("workers", [0, 2])
def test_order_is_kept_and_a_bad_image_is_a_failure(workers):
    loader = ImageLoader(workers)
    samples = [sample(str(i), broken if i == 3 else partial(give, i)) for i in range(100)]
    loaded = [image for _, image in loader.load(samples)]
    loader.close()
    assert loaded[3] == Failure("x.png is empty")
    assert [image[0][0, 0, 0] for i, image in enumerate(loaded) if i != 3] == [i for i in range(100) if i != 3]


def test_shards_come_in_order_with_images_in_memory():
    edits = [Edit(sample(str(i), partial(give, i)), "happy", sample(f"t{i}", partial(give, i))) for i in range(9)]
    edits[4] = Edit(sample("4", broken), "happy")
    loader = ImageLoader(2)
    shards = list(load_ahead([edits[:4], edits[4:8], edits[8:]], loader))
    loader.close()
    assert [len(shard.edits) for shard in shards] == [4, 4, 1]
    assert shards[1].failures == {0: Failure("x.png is empty")}
    assert shards[2].edits[0].truth.load()[0, 0, 0] == 8


def test_samples_that_cannot_travel_are_loaded_here():
    value = np.zeros((2, 2, 3), np.uint8)
    loader = ImageLoader(1)
    assert loader.submit(sample("a", lambda: value)).result()[0] is value
    loader.close()
