"""The Train page: ``train_page.page`` puts its parts together."""
