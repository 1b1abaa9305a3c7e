"""A counter service as a tutorial has it: Flask in front of Redis."""

import os

import redis
from flask import Flask, jsonify

app = Flask(__name__)
counters = redis.Redis(port=int(os.environ["REDIS_PORT"]))


@app.post("/counters/<name>/increment")
def increment(name):
    return jsonify(name=name, value=counters.incr(name))
