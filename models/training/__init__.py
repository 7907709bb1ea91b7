"""Training of small recurrent networks, recorded while they learn: options, tasks, the loop, the queue of runs, presets."""
