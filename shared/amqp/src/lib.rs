//! flotilla-amqp
