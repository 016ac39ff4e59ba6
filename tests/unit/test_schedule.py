"""Learning rates value by value."""

import numpy as np
import pytest

from yolov3.training.schedule import (
    ScheduleSettings,
    bias_learning_rates,
    learning_rates,
    warmup_momenta,
    warn_of_cosine_period,
)

BASE = {
    "lr": 0.1,
    "lr_scheduler": "exponential",
    "lr_epochs": "2,3",
    "lr_gamma": 0.5,
    "eta_min": 0.0,
    "T_max": 4,
    "max_epoch": 4,
    "warmup_epochs": 0,
    "eta_min_share": 0.0,
    "warmup_bias_lr": 0.0,
    "warmup_momentum": 0.0,
}


def test_exponential_drops_at_each_milestone():
    rates = learning_rates(ScheduleSettings(**BASE), 2)
    np.testing.assert_allclose(rates, [0.1] * 4 + [0.05] * 2 + [0.025] * 2, rtol=1e-6)


def test_exponential_without_a_milestone_keeps_the_rate():
    rates = learning_rates(ScheduleSettings(**{**BASE, "lr_epochs": ""}), 2)
    np.testing.assert_allclose(rates, [0.1] * 8, rtol=1e-6)


def test_cosine_by_whole_epochs():
    settings = ScheduleSettings(**{**BASE, "lr_scheduler": "cosine_annealing", "eta_min": 0.02})
    expected = [0.02 + 0.08 * (1 + np.cos(np.pi * epoch / 4)) / 2 for epoch in range(4)]
    np.testing.assert_allclose(learning_rates(settings, 3), np.repeat(expected, 3), rtol=1e-6)


@pytest.mark.parametrize(("eta_min", "share", "minimum"), [(0.0, 0.3, 0.03), (0.05, 0.3, 0.05), (0.01, 0.3, 0.03)])
def test_a_cosine_may_end_at_a_share_of_the_rate(eta_min, share, minimum):
    changes = {"lr_scheduler": "cosine_annealing", "eta_min": eta_min, "eta_min_share": share, "T_max": 3}
    rates = learning_rates(ScheduleSettings(**{**BASE, **changes}), 1)
    np.testing.assert_allclose(rates, [0.1, *(minimum + (0.1 - minimum) * np.array([0.75, 0.25, 0]))], rtol=1e-6)


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_biases_may_start_at_another_rate(start):
    settings = ScheduleSettings(**{**BASE, "warmup_epochs": 1, "warmup_bias_lr": start})
    rising = [start + (0.1 - start) * share for share in (0.25, 0.5, 0.75, 1)]
    np.testing.assert_allclose(bias_learning_rates(settings, 4)[:5], [*rising, 0.1], rtol=1e-6)
    np.testing.assert_array_equal(bias_learning_rates(settings, 4)[4:], learning_rates(settings, 4)[4:])
    np.testing.assert_allclose(learning_rates(settings, 4)[:4], [0.025, 0.05, 0.075, 0.1], rtol=1e-6)


def test_the_momentum_rises_in_the_warm_up():
    settings = ScheduleSettings(**{**BASE, "warmup_epochs": 0.8, "warmup_momentum": 0.5})
    np.testing.assert_allclose(warmup_momenta(settings, 0.9, 5), [0.6, 0.7, 0.8, 0.9], rtol=1e-6)
    for changes in ({"warmup_momentum": 0.0}, {"warmup_epochs": 0}):
        assert len(warmup_momenta(ScheduleSettings(**{**vars(settings), **changes}), 0.9, 5)) == 0


@pytest.mark.parametrize(
    ("period", "sentence"), [(3, "rises again after epoch 3"), (5, "minimum only at epoch 5"), (4, "")]
)
def test_a_cosine_that_does_not_end_with_the_training_is_warned_of(period, sentence, caplog):
    settings = ScheduleSettings(**{**BASE, "lr_scheduler": "cosine_annealing", "T_max": period})
    warn_of_cosine_period(settings)
    assert [sentence in line and "set T_max to 4" in line for line in caplog.messages] == [True] * bool(sentence)
    warn_of_cosine_period(ScheduleSettings(**{**BASE, "T_max": period}))
    assert len(caplog.messages) == bool(sentence)


def test_warm_up_rises_linearly_and_ends_at_lr():
    rates = learning_rates(ScheduleSettings(**{**BASE, "warmup_epochs": 1}), 4)
    np.testing.assert_allclose(rates[:5], [0.025, 0.05, 0.075, 0.1, 0.1], rtol=1e-6)


@pytest.mark.parametrize(
    ("epochs", "rising"),
    [(0.5, [0.05, 0.1]), (1.5, [1 / 60, 2 / 60, 3 / 60, 4 / 60, 5 / 60, 0.1]), (0.25, [0.1]), (0.1, [])],
)
def test_a_part_of_an_epoch_may_warm_up(epochs, rising):
    rates = learning_rates(ScheduleSettings(**{**BASE, "warmup_epochs": epochs, "lr_epochs": "3"}), 4)
    np.testing.assert_allclose(rates, [*rising, *[0.1] * (12 - len(rising)), *[0.05] * 4], rtol=1e-6)
    assert rates.dtype == np.float32


def test_one_step_of_warm_up():
    rates = learning_rates(ScheduleSettings(**{**BASE, "warmup_epochs": 1, "lr_gamma": 1}), 1)
    np.testing.assert_allclose(rates, [0.1] * 4, rtol=1e-6)


def test_the_published_log_of_eight_devices():
    # The seed's log: iteration 0 at 7.812e-05 and 100 at 0.0078906, lr 0.1, warm-up over 4 epochs of 320 steps.
    settings = ScheduleSettings(
        **{**BASE, "lr_scheduler": "cosine_annealing", "T_max": 320, "max_epoch": 320, "warmup_epochs": 4}
    )
    rates = learning_rates(settings, 320)
    assert rates[0] == pytest.approx(7.812499825377017e-05)
    assert rates[100] == pytest.approx(0.007890624925494194)
    assert rates[300] == pytest.approx(0.023515624925494194)
    assert rates[400] == pytest.approx(0.03132812678813934)
    assert rates[102000] == pytest.approx(9.63797629083274e-06, rel=1e-4)
    assert rates[102100] == pytest.approx(2.409552052995423e-06, rel=1e-4)
