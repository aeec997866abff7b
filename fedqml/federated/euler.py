"""Rotations of a qubit as three angles and as a unit quaternion."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

_LOCK = 1e-12


def quaternions(angles: Float[Tensor, "*rotations 3"]) -> Float[Tensor, "*rotations 4"]:
    """Return RZ(c) RY(b) RZ(a) as q with U = q_0 - i (q_1 X + q_2 Y + q_3 Z).

    Args:
        angles: a, b and c, radians.

    Returns:
        Of length 1; q and -q differ by a phase, which nothing measures.

    Example:
        >>> quaternions(torch.tensor([0.0, torch.pi, 0.0])).round(decimals=4)
        tensor([-0., -0., 1., -0.])
    """
    a, b, c = (angles / 2).unbind(-1)
    q = (b.cos() * (c + a).cos(), -b.sin() * (c - a).sin(), b.sin() * (c - a).cos())
    return torch.stack([*q, b.cos() * (c + a).sin()], -1)


def euler_angles(
    q: Float[Tensor, "*rotations 4"], near: Float[Tensor, "*rotations 3"]
) -> Float[Tensor, "*rotations 3"]:
    """Return the angles a, b and c of rotations, of all possible ones the nearest to given ones.

    Angles that differ by 2 pi, or (a, b, c) from (a + pi, -b, c - pi), are the same rotation up to
    a phase. Where b is a multiple of pi only the sum or the difference of a and c matters (gimbal
    lock): the other one stays.

    Args:
        q: as of ``quaternions``; of length 1, of either sign.
        near: a, b and c that should be met, radians.

    Example:
        >>> given = torch.tensor([7.0, -0.5, 1.0])
        >>> euler_angles(quaternions(given), near=given + 0.1)
        tensor([ 7.0000, -0.5000,  1.0000])

    Source: Shoemake, Euler angle conversion, Graphics gems IV, Academic Press 1994.
    """
    q0, q1, q2, q3 = q.unbind(-1)
    cosine, sine = torch.hypot(q0, q3), torch.hypot(q1, q2)  # of b/2
    a, _, c = near.unbind(-1)
    total, difference = 2 * torch.atan2(q3, q0), 2 * torch.atan2(-q1, q2)
    # With either of them free the sign of q is, too: the other one is known up to 2 pi.
    total = torch.where(sine < _LOCK, c + a + _wrapped(total - c - a), total)
    total = torch.where(cosine < _LOCK, c + a, total)
    difference = torch.where(cosine < _LOCK, c - a + _wrapped(difference - c + a), difference)
    difference = torch.where(sine < _LOCK, c - a, difference)
    b = 2 * torch.atan2(sine, cosine)
    one = torch.stack([(total - difference) / 2, b, (total + difference) / 2], -1)
    other = one * one.new_tensor([1, -1, 1]) + one.new_tensor([math.pi, 0, -math.pi])
    away = torch.stack([_wrapped(one - near), _wrapped(other - near)])
    least = away.square().sum(-1).argmin(0)[None, ..., None]
    return near + away.take_along_dim(least, 0)[0]


def _wrapped(angle: Tensor) -> Tensor:
    """Return the angle less the nearest multiple of 2 pi."""
    return angle - 2 * math.pi * (angle / (2 * math.pi)).round()
