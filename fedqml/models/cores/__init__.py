"""What stands between a head's last dense layer and the logits: a circuit, or what replaces it.

A file each, a function of ``width`` (the numbers that it reads) and ``classes`` (the logits that it
gives), so that an ablation changes nothing else.
"""
