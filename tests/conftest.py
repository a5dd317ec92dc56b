"""One thread for every test: two busy processes with several OpenMP threads slow each other up to tenfold."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

torch.set_num_threads(1)
