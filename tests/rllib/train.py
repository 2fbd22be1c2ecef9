"""Train RLlib's behaviour cloning on an exported dataset, with RLlib's own reader: `python train.py steps.parquet`."""

import sys

import gymnasium
import numpy as np
import pyarrow.parquet as pq
import ray
from ray.rllib.algorithms.bc import BCConfig

BATCH = 64
path = sys.argv[1]
width = len(pq.read_table(path, columns=["obs"])["obs"][0])
config = (
    BCConfig()
    .environment(
        observation_space=gymnasium.spaces.Box(-1e6, 1e6, (width,), np.float32),
        action_space=gymnasium.spaces.Box(-1e6, 1e6, (1,), np.float32),
    )
    .offline_data(input_=[path], input_read_method="read_parquet", dataset_num_iters_per_learner=1)
    .training(train_batch_size_per_learner=BATCH, lr=1e-3)
    .learners(num_learners=0)
)
# Its readers wait for one another where there are fewer, in name at least.
ray.init(num_cpus=8, include_dashboard=False, log_to_driver=False)
algorithm = config.build_algo()
for _ in range(3):
    learned = algorithm.train()["learners"]["default_policy"]
    assert learned["num_module_steps_trained"] == BATCH, learned
    assert np.isfinite(learned["total_loss"]), learned
    print(f"loss {float(learned['total_loss']):.3f} of {BATCH} steps")
