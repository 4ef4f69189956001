"""The networks: granularity, backbone, quantiser, decoder, hyperpriors, context passes and index prior."""
