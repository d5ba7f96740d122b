import re
from functools import partial

import numpy as np
import pytest

from fesbench.core.contracts import Edit, Failure, Sample
from fesbench.core.errors import ImageError
from fesbench.datasets.images import decode_image
from fesbench.datasets.loading import ImageLoader, load_ahead, load_sample

give = partial(np.full, (4, 4, 3), dtype=np.uint8)  # travels to a worker process
broken = partial(decode_image, b"")


def unknown_to_workers() -> np.ndarray:
    """Kills the worker that receives it: no other process can import this test module."""
    return np.zeros((4, 4, 3), np.uint8)


def sample(name: str, load) -> Sample:
    return Sample(name, name, "neutral", "studio", load)


@pytest.mark.parametrize("workers", [0, 2])
def test_order_is_kept_and_a_bad_image_is_a_failure(workers):
    loader = ImageLoader(workers)
    samples = [sample(str(i), broken if i == 3 else partial(give, fill_value=i)) for i in range(100)]
    loaded = [image for _, image in loader.load(samples)]
    loader.close()
    assert isinstance(loaded[3], Failure)
    assert [image[0][0, 0, 0] for i, image in enumerate(loaded) if i != 3] == [
        i for i in range(100) if i != 3
    ]


def raising(error: Exception) -> np.ndarray:
    raise error


@pytest.mark.parametrize(
    ("load", "mask", "reason"),
    [
        (partial(raising, ValueError("odd file")), None, "ValueError: odd file"),
        (partial(raising, KeyError("x")), None, "KeyError"),
        (partial(list, "no image"), None, "list"),
        (partial(np.zeros, (4, 4)), None, r"\(4, 4\) float64"),
        (partial(give, fill_value=1), partial(raising, OSError("no mask")), "no mask"),
        (partial(give, fill_value=1), partial(np.zeros, (2, 2), dtype=bool), r"mask is \(2, 2\) bool"),
    ],
)
def test_whatever_a_data_set_does_its_image_is_a_failure_with_a_reason(load, mask, reason):
    answer = load_sample(load, mask)
    assert isinstance(answer, Failure)
    assert re.search(reason, answer.reason)


def test_a_truth_that_cannot_be_loaded_is_not_loaded_again():
    truth = sample("t", partial(raising, ValueError("odd file")))
    (shard,) = load_ahead([[Edit(sample("s", partial(give, fill_value=1)), "happy", truth)]], ImageLoader(0))
    assert not shard.failures
    with pytest.raises(ImageError, match="odd file"):
        shard.edits[0].truth.load()


def test_shards_come_in_order_with_images_in_memory():
    edits = [
        Edit(
            sample(str(i), partial(give, fill_value=i)), "happy", sample(f"t{i}", partial(give, fill_value=i))
        )
        for i in range(9)
    ]
    edits[4] = Edit(sample("4", broken), "happy")
    loader = ImageLoader(2)
    shards = list(load_ahead([edits[:4], edits[4:8], edits[8:]], loader))
    loader.close()
    assert [len(shard.edits) for shard in shards] == [4, 4, 1]
    assert list(shards[1].failures) == [0]
    assert shards[2].edits[0].truth.load()[0, 0, 0] == 8


def test_samples_that_cannot_travel_are_loaded_here():
    value = np.zeros((2, 2, 3), np.uint8)
    loader = ImageLoader(1)
    loaded = loader.submit(sample("a", lambda: value))()[0]
    assert (loaded == value).all()
    assert not np.shares_memory(loaded, value)  # the data set may use its array again
    loader.close()


def test_a_worker_that_dies_costs_no_image():
    loader = ImageLoader(1)
    samples = [sample(str(i), partial(give, fill_value=i)) for i in range(4)]
    deadly = sample("x", unknown_to_workers)
    loaded = [image[0][0, 0, 0] for _, image in loader.load([samples[0], deadly, *samples[1:]])]
    loader.close()
    assert loaded == [0, 0, 1, 2, 3]
