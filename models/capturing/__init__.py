"""What a module's recurrent layers and attention do, seen while it runs."""
