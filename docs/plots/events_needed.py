"""Draw how many events a prediction model needs, by its AUC and number of parameters."""

import numpy as np
from matplotlib import pyplot as plt

from skdxa.significance import sample_size_development

plt.rcParams["font.size"] = 11
auc = np.arange(0.60, 0.86, 0.01)
figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
for n_parameters, dashes in ((1, "-"), (2, "--"), (4, "-."), (10, ":")):
    events = [sample_size_development(0.039, value, n_parameters).events for value in auc]
    name = "1 parameter" if n_parameters == 1 else f"{n_parameters} parameters"
    ax.semilogy(auc, events, dashes, lw=2, label=name)
ax.axhline(92, color="0.4", lw=1)
ax.text(1.01, 92, "92", va="center", fontsize=10, transform=ax.get_yaxis_transform())
ax.axvline(0.63, color="0.4", lw=1)
ax.text(0.63, 1.02, "0.63", ha="center", fontsize=10, transform=ax.get_xaxis_transform())
ax.set(xlabel="expected AUC", ylabel="events needed", ylim=(4, 900))
ax.set_yticks([5, 10, 20, 50, 100, 200, 500], ["5", "10", "20", "50", "100", "200", "500"])
ax.minorticks_off()
ax.legend(fontsize=10)
