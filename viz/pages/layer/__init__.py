"""The Layer page: ``layer_page.page`` puts its parts together."""
