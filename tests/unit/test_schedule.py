"""Learning rates value by value."""

import numpy as np
import pytest

from yolov3.training.schedule import ScheduleSettings, learning_rates

BASE = {
    "lr": 0.1,
    "lr_scheduler": "exponential",
    "lr_epochs": "2,3",
    "lr_gamma": 0.5,
    "eta_min": 0.0,
    "T_max": 4,
    "max_epoch": 4,
    "warmup_epochs": 0,
}


def test_exponential_drops_at_each_milestone():
    rates = learning_rates(ScheduleSettings(**BASE), 2)
    np.testing.assert_allclose(rates, [0.1] * 4 + [0.05] * 2 + [0.025] * 2, rtol=1e-6)


def test_cosine_by_whole_epochs():
    settings = ScheduleSettings(**{**BASE, "lr_scheduler": "cosine_annealing", "eta_min": 0.02})
    expected = [0.02 + 0.08 * (1 + np.cos(np.pi * epoch / 4)) / 2 for epoch in range(4)]
    np.testing.assert_allclose(learning_rates(settings, 3), np.repeat(expected, 3), rtol=1e-6)


def test_warm_up_rises_linearly_and_ends_at_lr():
    rates = learning_rates(ScheduleSettings(**{**BASE, "warmup_epochs": 1}), 4)
    np.testing.assert_allclose(rates[:5], [0.025, 0.05, 0.075, 0.1, 0.1], rtol=1e-6)


def test_the_published_log_of_eight_devices():
    # The seed's log: iteration 0 at 7.812e-05 and 100 at 0.0078906, lr 0.1, warm-up over 4 epochs of 320 steps.
    settings = ScheduleSettings(0.1, "cosine_annealing", "220,250", 0.1, 0.0, 320, 320, 4)
    rates = learning_rates(settings, 320)
    assert rates[0] == pytest.approx(7.812499825377017e-05)
    assert rates[100] == pytest.approx(0.007890624925494194)
    assert rates[300] == pytest.approx(0.023515624925494194)
    assert rates[400] == pytest.approx(0.03132812678813934)
    assert rates[102000] == pytest.approx(9.63797629083274e-06, rel=1e-4)
    assert rates[102100] == pytest.approx(2.409552052995423e-06, rel=1e-4)
