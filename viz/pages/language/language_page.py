"""Language: how probable is a sentence, by counting and by a network? What does an unseen word do?"""

from viz.pages.keep_panels import keep_panels_button
from viz.pages.language.chain_rule_panel import chain_rule_panel
from viz.pages.language.language_controls import language_controls
from viz.pages.language.neural_models_panel import neural_models_panel
from viz.pages.language.ngram_counts_panel import ngram_counts_panel
from viz.pages.language.smoothing_panel import smoothing_panel, unseen_ngrams_panel
from viz.pages.language.token_ids_panel import token_ids_panel
from viz.pages.language.word_vectors_panel import word_vectors_panel, word_windows_panel
from viz.session import get_session


def page() -> None:
    """Draw the Language page."""
    session = get_session()
    view = language_controls(session)
    session.mark_good()
    chain_rule_panel(view)
    token_ids_panel(view)
    smoothing_panel(view)
    ngram_counts_panel(view)
    unseen_ngrams_panel(view)
    neural_models_panel(view)
    word_windows_panel(view)
    word_vectors_panel(view)
    keep_panels_button(session, "language")
