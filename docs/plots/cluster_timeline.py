"""Draw how the splits of a cross-validation are spread over the workers of a cluster."""

from matplotlib import pyplot as plt

from skdxa.displays import PALETTE

plt.rcParams["font.size"] = 11
DURATION = (3.0, 3.4, 2.8, 3.1)
# Worker 3 dies at this time.
DEATH = 2, 4.9
figure, ax = plt.subplots(figsize=(6, 2.4), layout="constrained")
free, waiting, lost = [0.0] * 4, list(range(13)), None
while waiting:
    split = waiting.pop(0)
    worker = free.index(min(free))
    start = free[worker]
    end = start + DURATION[(split + worker) % 4]
    dies = worker == DEATH[0] and start < DEATH[1] < end
    if dies:
        end, lost = DEATH[1], split
        waiting.insert(1, split)
    colour = "0.7" if dies else PALETTE["orange"] if split == lost else PALETTE["blue"]
    ax.barh(worker, end - start - 0.06, left=start, height=0.7, color=colour)
    text = f"{split} x" if dies else f"{split}"
    ax.text(
        (start + end) / 2, worker, text, ha="center", va="center", color="w", fontweight="bold"
    )
    free[worker] = float("inf") if dies else end
ax.set_yticks(range(4), [f"worker {number}" for number in range(1, 5)])
ax.invert_yaxis()
ax.set(xlabel="time", xticks=[])
