"""Where calls run: in processes of this machine, on the nodes of a Ray cluster, or as jobs of a Slurm cluster."""
