"""The attention blocks against closed-form answers."""

import pytest
import torch

from fesbench.reggan.attention import GateAttention, PositionAttention, SpatialAttention


def test_a_gate_listens_to_the_decoder():
    gate = GateAttention(2)
    with torch.no_grad():
        gate.skip.weight.zero_()
        gate.decoder.weight.fill_(1.0)
        gate.decoder.bias.zero_()
        gate.score.weight.fill_(1.0)
        gate.score.bias.zero_()
    skip, decoder = torch.ones(1, 2, 1, 2), torch.tensor([[[[3.0, -3.0]], [[1.0, -1.0]]]])
    expected = torch.tensor([4.0, 0.0]).sigmoid().expand(1, 2, 1, 2)
    torch.testing.assert_close(gate(skip, decoder), expected)


def test_spatial_attention_sees_the_mean_and_the_maximum_of_the_channels():
    attention = SpatialAttention()
    with torch.no_grad():
        attention.score.weight.zero_()
        attention.score.weight[0, :, 3, 3] = torch.tensor([1.0, 2.0])
        attention.score.bias.zero_()
    features = torch.randn(2, 5, 6, 6)
    score = features.mean(1, keepdim=True) + 2 * features.amax(1, keepdim=True)
    torch.testing.assert_close(attention(features), features * score.sigmoid())


def test_position_attention_starts_as_the_identity():
    features = torch.randn(2, 16, 4, 4)
    assert torch.equal(PositionAttention(16)(features), features)


def test_position_attention_without_preference_adds_the_mean_of_all_places():
    attention = PositionAttention(8)
    with torch.no_grad():
        attention.strength.fill_(1.0)
        attention.query.weight.zero_()
        attention.query.bias.zero_()
    features = torch.randn(2, 8, 3, 5)
    mean = attention.value(features).mean((2, 3), keepdim=True)
    torch.testing.assert_close(attention(features), features + mean)


@pytest.mark.parametrize("channels", [1, 3, 16])
def test_shapes_stay_at_any_width(channels):
    features = torch.randn(2, channels, 4, 6)
    assert GateAttention(channels)(features, features).shape == features.shape
    assert PositionAttention(channels)(features).shape == features.shape
