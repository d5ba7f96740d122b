"""The conformance checks of generators: every model of the suite passes, every broken one is caught."""

from dataclasses import replace

import pytest
import torch

from fesbench.core.contracts import ClosedForm, Generator, GeneratorCard
from fesbench.core.errors import UnsupportedEdit
from fesbench.datasets.rendered.dataset import RenderedDataset
from fesbench.generators.registry import expand, load_model
from fesbench.testing.findings import ConformanceError
from fesbench.testing.generators import check_generator


@pytest.mark.parametrize("name", [name for name in expand(("all",)) if name != "truth"])
def test_ours_keep_the_contract(name):
    generator = load_model(name)
    if isinstance(generator, ClosedForm):
        generator.fit(RenderedDataset("train", subjects=6, size=64), None, seed=0)
    assert all(finding.problem is None for finding in check_generator(generator))


class Tinted(Generator):
    """A well-behaved generator: adds a tint for the target."""

    def __init__(self):
        self.card = GeneratorCard("tinted", "Tinted", weights="none", expressions=("neutral", "happy"))

    def synthesize(self, images, source, target):
        if ((target < 0) | (target > 1)).any():
            raise UnsupportedEdit("no such label")
        return self.tint(images, source, target)

    def tint(self, images, source, target):
        return (images + 0.1 * target[:, None, None, None]).clamp(-1, 1)


class NeedsSource(Tinted):
    def __init__(self):
        super().__init__()
        self.card = GeneratorCard(
            "needy", "Needy", weights="none", expressions=("neutral", "happy"), needs_source=True
        )

    def synthesize(self, images, source, target):
        if (source < 0).any():
            raise UnsupportedEdit("the source expression must be known")
        return super().synthesize(images, source, target)


class Unnamed(Tinted):
    def __init__(self):
        self.card = GeneratorCard("../x", "", expressions=("a", "a"))


class WrongShape(Tinted):
    def tint(self, images, source, target):
        return super().tint(images, source, target)[:, :, 1:]


class WrongType(Tinted):
    def tint(self, images, source, target):
        return super().tint(images, source, target).double()


class OutOfRange(Tinted):
    def tint(self, images, source, target):
        return images * 2


class FromZeroToOne(Tinted):
    def tint(self, images, source, target):
        return (super().tint(images, source, target) + 1) / 2


class NotFinite(Tinted):
    def tint(self, images, source, target):
        return images / 0


class Random(Tinted):
    def tint(self, images, source, target):
        return torch.rand_like(images)


class BatchStatistics(Tinted):
    def tint(self, images, source, target):
        return (super().tint(images, source, target) - images.mean()).clamp(-1, 1)


class InPlace(Tinted):
    def tint(self, images, source, target):
        return images.mul_(0.5).add(0.1 * target[:, None, None, None])


class Alias(Tinted):
    def tint(self, images, source, target):
        return images


class WithGradient(Tinted):
    def tint(self, images, source, target):
        return (super().tint(images, source, target) * torch.ones(1, requires_grad=True)).clamp(-1, 1)


class Learned(Tinted):
    """A network whose last layer is ``layer``, as it is built: in training mode."""

    layer = None

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.network = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3, padding=1), self.layer)

    @torch.no_grad()
    def tint(self, images, source, target):
        return super().tint(self.network(images).tanh(), source, target)


class Tracking(Learned):
    """Normalises by the image's own statistics, as StarGAN's official code does, which never calls eval."""

    layer = torch.nn.InstanceNorm2d(3, affine=True, track_running_stats=True)


class DroppingOut(Learned):
    layer = torch.nn.Dropout()


class NormalisingBatches(Learned):
    layer = torch.nn.BatchNorm2d(3)


class Remembering(Tinted):
    """Adds what it was shown before."""

    before = 0.0

    def tint(self, images, source, target):
        answer = (super().tint(images, source, target) + 0.1 * self.before).clamp(-1, 1)
        self.before = images[-1].mean()
        return answer


class Spelled(Tinted):
    def __init__(self):
        super().__init__()
        self.card = replace(self.card, expressions=("Neutral", "Happiness"))


class Twice(Tinted):
    def __init__(self):
        super().__init__()
        self.card = replace(self.card, expressions=("happy", "Joy"))


class Unheard(Tinted):
    def __init__(self):
        super().__init__()
        self.card = replace(self.card, expressions=("neutral", "hapy"))


class Deaf(Tinted):
    def tint(self, images, source, target):
        return images * 0.5


class Accommodating(Tinted):
    def synthesize(self, images, source, target):
        return self.tint(images, source, target)


class SecretlyNeedsSource(Tinted):
    def tint(self, images, source, target):
        shifted = super().tint(images, source, target) - 0.05 * (source == 1)[:, None, None, None]
        return shifted.clamp(-1, 1)


class AnswersUnknownSource(NeedsSource):
    def synthesize(self, images, source, target):
        return Tinted.synthesize(self, images, source, target)


class Crashing(Tinted):
    def synthesize(self, images, source, target):
        raise RuntimeError("out of memory")


@pytest.mark.parametrize("kind", [Tinted, NeedsSource, Tracking, Spelled])
def test_good_generators_pass(kind):
    assert all(finding.problem is None for finding in check_generator(kind()))


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (Unnamed, "card is filled in"),
        (WrongShape, "shape, dtype and device"),
        (WrongType, "shape, dtype and device"),
        (OutOfRange, "values in [-1, 1]"),
        (FromZeroToOne, "values in [-1, 1]"),
        (NotFinite, "values in [-1, 1]"),
        (Random, "deterministic"),
        (BatchStatistics, "independent of the batch"),
        (InPlace, "leaves its inputs alone"),
        (Alias, "leaves its inputs alone"),
        (WithGradient, "no gradient"),
        (DroppingOut, "deterministic"),
        (NormalisingBatches, "independent of the batch"),
        (Remembering, "deterministic"),
        (Twice, "card is filled in"),
        (Unheard, "card is filled in"),
        (Deaf, "answers every label"),
        (Accommodating, "refuses unknown targets"),
        (SecretlyNeedsSource, "unknown sources"),
        (AnswersUnknownSource, "unknown sources"),
    ],
)
def test_broken_generators_are_caught(kind, check):
    with pytest.raises(ConformanceError, match="breaks its contract") as caught:
        check_generator(kind())
    assert check in [finding.check for finding in caught.value.findings if finding.problem]
    assert isinstance(caught.value, AssertionError)


def test_answers_that_look_like_zero_to_one_are_told_the_range_that_they_must_have():
    with pytest.raises(ConformanceError, match=r"outputs must be in \[-1, 1\], and these look like \[0, 1\]"):
        check_generator(FromZeroToOne())


def test_a_crash_is_a_finding_of_every_check_that_met_it():
    with pytest.raises(ConformanceError) as caught:
        check_generator(Crashing())
    problems = [finding.problem for finding in caught.value.findings if finding.problem]
    assert len(problems) >= 8
    assert set(problems) == {"raised RuntimeError: out of memory"}


@pytest.mark.parametrize("kind", [DroppingOut, NormalisingBatches])
def test_the_layers_in_training_mode_are_named(kind):
    generator = kind()
    with pytest.raises(ConformanceError, match=r"call \.eval\(\) on these layers, .*: 1 \("):
        check_generator(generator)
    generator.network[1].eval()
    assert all(finding.problem is None for finding in check_generator(generator))


def test_checks_leave_a_network_and_its_pictures_as_they_are():
    generator = Tracking()
    images, labels = torch.rand(2, 3, 16, 16), torch.tensor([0, 1])
    before = generator.synthesize(images, labels, labels)
    check_generator(generator)
    assert generator.network.training
    assert torch.equal(generator.synthesize(images, labels, labels), before)
