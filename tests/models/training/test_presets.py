"""The experiments of the menu: valid, different in what they compare, with texts about what happened."""

from models.training.check_options import check_options
from models.training.presets import PRESETS
from models.training.training_options import TrainingOptions


def test_presets_are_valid_and_their_runs_differ_in_the_compared_settings_alone():
    assert len(PRESETS) == 6 and len({preset.name for preset in PRESETS}) == 6
    for preset in PRESETS:
        assert str(preset.title) and len(str(preset.look_for)) > 40 and len(str(preset.happened)) > 100
        found = [variant.options.to_dict() for variant in preset.variants]
        assert len({variant.name for variant in preset.variants}) == len(found) >= 2
        differ = {name for each in found for name in each if each[name] != found[0][name]}
        assert 0 < len(differ) <= 4 and "seed" not in differ
        for variant in preset.variants:
            check_options(variant.options)
            assert TrainingOptions.from_json(variant.options.to_json()) == variant.options
