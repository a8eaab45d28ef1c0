"""The vocabulary every Hive process shares: tasks, states, outcomes, events, executors, errors."""
