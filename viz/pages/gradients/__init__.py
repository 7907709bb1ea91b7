"""The Gradients page: ``gradients_page.page`` puts its parts together."""
