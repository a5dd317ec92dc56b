"""Works that methods name by their arXiv numbers: authors, title and year of publication, for lists of references."""

from __future__ import annotations

WORKS: dict[str, tuple[str, str, int]] = {
    "1612.01474": (
        "B. Lakshminarayanan and A. Pritzel and C. Blundell",
        "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles",
        2017,
    ),
    "1707.04780": (
        "D. C. Mocanu and E. Mocanu and P. Stone and P. H. Nguyen and M. Gibescu and A. Liotta",
        "Scalable Training of Artificial Neural Networks with Adaptive Sparse Connectivity inspired by Network Science",
        2018,
    ),
    "1710.01878": (
        "M. Zhu and S. Gupta",
        "To prune, or not to prune: exploring the efficacy of pruning for model compression",
        2017,
    ),
    "1803.03635": (
        "J. Frankle and M. Carbin",
        "The Lottery Ticket Hypothesis: Finding Sparse, Trainable Neural Networks",
        2019,
    ),
    "1804.03230": (
        "T.-J. Yang and A. Howard and B. Chen and X. Zhang and A. Go and M. Sandler and V. Sze and H. Adam",
        "NetAdapt: Platform-Aware Neural Network Adaptation for Mobile Applications",
        2018,
    ),
    "1812.08928": ("J. Yu and L. Yang and N. Xu and J. Yang and T. Huang", "Slimmable Neural Networks", 2019),
    "1902.07638": ("L. Li and A. Talwalkar", "Random Search and Reproducibility for Neural Architecture Search", 2019),
    "1909.11957": (
        "H. You and C. Li and P. Xu and Y. Fu and Y. Wang and X. Chen and R. G. Baraniuk and Z. Wang and Y. Lin",
        "Drawing Early-Bird Tickets: Towards More Efficient Training of Deep Networks",
        2020,
    ),
    "1911.11134": (
        "U. Evci and T. Gale and J. Menick and P. S. Castro and E. Elsen",
        "Rigging the Lottery: Making All Tickets Winners",
        2020,
    ),
    "1911.13299": (
        "V. Ramanujan and M. Wortsman and A. Kembhavi and A. Farhadi and M. Rastegari",
        "What's Hidden in a Randomly Weighted Neural Network?",
        2020,
    ),
    "1912.05671": (
        "J. Frankle and G. K. Dziugaite and D. M. Roy and M. Carbin",
        "Linear Mode Connectivity and the Lottery Ticket Hypothesis",
        2020,
    ),
    "2012.06908": (
        "T. Chen and J. Frankle and S. Chang and S. Liu and Y. Zhang and M. Carbin and Z. Wang",
        "The Lottery Tickets Hypothesis for Supervised and Self-supervised Pre-training in Computer Vision Models",
        2021,
    ),
    "2104.00031": (
        "T.-J. Yang and Y.-L. Liao and V. Sze",
        "NetAdaptV2: Efficient Neural Architecture Search with Fast Super-Network Training and Architecture "
        "Optimization",
        2021,
    ),
    "2106.12379": (
        "A. Peste and E. Iofinova and A. Vladu and D. Alistarh",
        "AC/DC: Alternating Compressed/DeCompressed Training of Deep Neural Networks",
        2021,
    ),
    "2106.14568": (
        "S. Liu and T. Chen and Z. Atashgahi and X. Chen and G. Sokar and E. Mocanu and M. Pechenizkiy and Z. Wang and "
        "D. C. Mocanu",
        "Deep Ensembling with No Overhead for either Training or Testing: The All-Round Blessings of Dynamic Sparsity",
        2022,
    ),
    "2203.04248": ("Y. Bai and H. Wang and Z. Tao and K. Li and Y. Fu", "Dual Lottery Ticket Hypothesis", 2022),
    "2204.11218": (
        "Y. Liu and F. Meng and Z. Lin and P. Fu and Y. Cao and W. Wang and J. Zhou",
        "Learning to Win Lottery Tickets in BERT Transfer via Task-agnostic Mask Training",
        2022,
    ),
    "2207.01382": (
        "Y. Kim and Y. Li and H. Park and Y. Venkatesha and R. Yin and P. Panda",
        "Exploring Lottery Ticket Hypothesis in Spiking Neural Networks",
        2022,
    ),
    "2207.03677": (
        "H. You and B. Li and Z. Sun and X. Ouyang and Y. Lin",
        "SuperTickets: Drawing Task-Agnostic Lottery Tickets from Supernets via Jointly Architecture Searching and "
        "Parameter Pruning",
        2022,
    ),
    "2208.11580": (
        "E. Frantar and S. P. Singh and D. Alistarh",
        "Optimal Brain Compression: A Framework for Accurate Post-Training Quantization and Pruning",
        2022,
    ),
    "2301.00774": (
        "E. Frantar and D. Alistarh",
        "SparseGPT: Massive Language Models Can Be Accurately Pruned in One-Shot",
        2023,
    ),
    "2306.11695": (
        "M. Sun and Z. Liu and A. Bair and J. Z. Kolter",
        "A Simple and Effective Pruning Approach for Large Language Models",
        2024,
    ),
}
