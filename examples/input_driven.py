"""A switching observer: a hidden Markov model driven by inputs (a GLM-HMM).

A subject judges 2000 stimuli as left (0) or right (1). Engaged, it follows the stimulus; lapsed, it
hardly looks, until a cue brings it back. The stimulus drives the choices, the cue the transitions:
p(z_t | z_{t-1} = i, u_t) = softmax(W_i u_t + b_i).

What to change next: three states; an input of your own, such as the choice before; `fit_em` in place of
`fit_lbfgs`.
"""

import argparse

import numpy as np

import statewise as sw

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--plot", metavar="FILE", help="where to draw (needs matplotlib)")
plot = parser.parse_args().plot

rng = np.random.default_rng(0)
u = np.column_stack([rng.uniform(-1, 1, 2000), rng.random(2000) < 0.03])  # stimulus and cue
hmm = sw.LogisticRegressionHMM(2, input_dim=2, transitions="softmax", transition_weights_scale=3.0)
# State 0 is lapsed, 1 engaged; transition weights are [from, to, input].
truth, props = hmm.initialize(
    0,
    transition_weights=[[[0, 0], [0, 5]], [[0, 0], [0, 2]]],
    transition_biases=[[3, 0], [0, 3]],
    emission_weights=[[0.3, 0], [7, 0]],
    emission_biases=[0.4, 0],
)
states, choices = hmm.sample(truth, 1, len(u), inputs=u)

start, _ = hmm.initialize(
    0,
    transition_weights=np.zeros((2, 2, 2)),
    transition_biases=2 * np.eye(2),
    emission_weights=[[0, 0], [3, 0]],
    emission_biases=[0, 0],
)
params = hmm.fit_lbfgs(start, props, choices, inputs=u).params
props.transitions.weights.trainable = False
deaf = hmm.fit_lbfgs(start, props, choices, inputs=u).params
loglik = [hmm.marginal_log_prob(p, choices, inputs=u) for p in (params, deaf)]
print(f"log-likelihood {loglik[0]:.1f}; {loglik[1]:.1f} if the cue may not drive the transitions")
for name, p in (("fitted", params), ("true", truth)):
    logits = p.transitions.weights[0] @ [[0, 0], [0, 1]] + p.transitions.biases[0][:, None]
    back = 1 / (1 + np.exp(logits[0] - logits[1]))
    print(f"p(lapsed -> engaged), {name}: {back[0]:.2f}, with a cue {back[1]:.2f}")
probs = hmm.smoother(params, choices, inputs=u).smoothed_probs
print(f"trials whose state is found: {np.mean(probs.argmax(axis=1) == states):.0%}")

if plot:
    import matplotlib.pyplot as plt

    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained", width_ratios=[1, 2])
    x, colors = np.linspace(-1, 1, 100), sw.plots.state_colors(2)
    for k, name in enumerate(("lapsed", "engaged")):
        for p, look in ((truth, {"ls": "--"}), (params, {"label": name})):
            curve = 1 / (1 + np.exp(-p.emissions.weights[k, 0] * x - p.emissions.biases[k]))
            left.plot(x, curve, color=colors[k], **look)
    left.set(xlabel="stimulus", ylabel="p(right)", title="Fitted (solid) and true (dashed)")
    left.legend(frameon=False)
    right.fill_between(range(300), states[:300], step="mid", color="#DDDDDD", label="truly engaged")
    right.plot(probs[:300, 1], color=colors[1], label="p(engaged)")
    cues = np.flatnonzero(u[:300, 1])
    right.plot(cues, np.full(len(cues), 1.06), "v", color="#222222", label="cue")
    right.set(xlabel="trial", ylim=(0, 1.3), xlim=(0, 299), yticks=[0, 0.5, 1], title="The first 300 trials")
    right.legend(frameon=False, loc="upper right", ncols=3)
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    fig.savefig(plot, dpi=150)
