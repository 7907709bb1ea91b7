"""Answers for which networks are trained are computed in another process, once for all readers."""

import os
import sys
from types import ModuleType

import pytest

from models.core.messages import Problem
from viz.lessons.answers import right_answer
from viz.lessons.find_lessons import shipped_lessons
from viz.lessons.lesson import NumberForm, Question, QuestionPlace
from viz.pages.lessons import question_answer


class Future:
    def __init__(self, found):
        self.found = found

    def result(self):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


class Queue:
    def __init__(self, found):
        self.found, self.calls = found, []

    def compute(self, function, *arguments):
        self.calls.append((function, *arguments))
        return Future(self.found)


def question(answer):
    return Question("check", "?", NumberForm(0.1, False), answer, "", QuestionPlace(net="counter"))


@pytest.fixture
def queue(monkeypatch):
    found = Queue(2.5)
    monkeypatch.setattr(question_answer, "shared_queue", lambda: found)
    monkeypatch.setattr(question_answer, "_futures", type(question_answer._futures)())
    return found


def test_an_answer_without_training_is_computed_at_once(queue):
    asked = question("layer_parameters('LSTM', 3, 2)")
    assert question_answer.question_answer(asked) == right_answer(asked) and not queue.calls


def test_an_answer_with_training_is_computed_once_in_another_process(queue):
    asked = question("min(training_losses())")
    assert [question_answer.question_answer(asked) for _ in range(3)] == [2.5, 2.5, 2.5]
    assert queue.calls == [(right_answer, asked)]


def test_a_process_that_ended_is_one_sentence_and_the_answer_is_computed_again(queue):
    asked, queue.found = question("min(training_losses())"), RuntimeError("killed")
    for _ in range(2):
        with pytest.raises(Problem, match="ended before it had finished"):
            question_answer.question_answer(asked)
    assert len(queue.calls) == 2


@pytest.mark.slow
def test_a_question_of_a_lesson_is_answered_by_the_cluster(monkeypatch):
    # a worker process would run the main module, which in a process with page tests is the script of one of them
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    lesson = next(each for each in shipped_lessons() if each.name == "embeddings")
    asked = next(
        each for section in lesson.texts["en"].sections for each in section.questions if "word_cosine" in each.answer
    )
    assert question_answer.question_answer(asked) == pytest.approx(right_answer(asked))
    assert os.getpid() != question_answer.shared_queue().compute(os.getpid).result()
