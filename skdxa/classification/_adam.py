"""Adam with one operation of TensorFlow for the update of each weight.

Keras writes the update out in some thirty operations per weight. They take the same few
arithmetic steps, but each reads and writes its arrays again and is scheduled by itself, which
counts in steps of some tens of milliseconds.
"""

from skdxa.classification._keras import keras, tf


@keras.saving.register_keras_serializable(package="skdxa")
class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam, with the same settings, variables and formula."""

    def update_step(self, gradient, variable, learning_rate):
        """Update a weight, its momentum and its velocity."""
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, tf.float32)
        settings = {
            "lr": learning_rate,
            "beta1": self.beta_1,
            "beta2": self.beta_2,
            "epsilon": self.epsilon,
            "beta1_power": tf.pow(self.beta_1, step),
            "beta2_power": tf.pow(self.beta_2, step),
        }
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            grad=tf.cast(gradient, variable.dtype),
            **{name: tf.cast(value, variable.dtype) for name, value in settings.items()},
        )


def with_fused_update(optimizer):
    """Return the optimiser, in place of Keras's own Adam one that updates faster.

    Parameters
    ----------
    optimizer : keras.optimizers.Optimizer
        Not built.

    Returns
    -------
    optimizer : keras.optimizers.Optimizer
    """
    if type(optimizer) is keras.optimizers.Adam:
        return FusedAdam.from_config(optimizer.get_config())
    return optimizer
