"""The equations of the cells, the weights, traces and attention that everything else is built on."""
