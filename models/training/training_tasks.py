"""The tasks by name: what a network can be trained on."""

from __future__ import annotations

from collections.abc import Callable

from models.training import bundled_tasks, own_data_tasks
from models.training.check_options import check_memory, check_options, check_parameters
from models.training.training_data import TaskData
from models.training.training_options import TaskName, TrainingOptions

TASK_MAKERS: dict[TaskName, Callable[[TrainingOptions], TaskData]] = {
    "recall": bundled_tasks.recall_task,
    "counting": bundled_tasks.counting_task,
    "characters": bundled_tasks.characters_task,
    "sentiment": bundled_tasks.sentiment_task,
    "dates": bundled_tasks.dates_task,
    "text": own_data_tasks.text_task,
    "series": own_data_tasks.series_task,
}
"""To add a task, write a function of the options that returns its data and add a line."""


def task_data(options: TrainingOptions) -> TaskData:
    """Check the options and return the sequences of their task; the same options give the same sequences.

    Raises:
        Problem: a setting is invalid, the data cannot be used, or the network or a training step is too large.
    """
    check_options(options)
    data = TASK_MAKERS[options.task](options)
    check_parameters(options, data.inputs, data.outputs)
    check_memory(options, data.training.inputs.shape[1], data.outputs)
    return data
