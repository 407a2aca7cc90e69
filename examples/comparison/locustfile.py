"""The people of plans/assistant/steady.toml, for Locust.

    API_KEY=... locust -f locustfile.py Person --headless --host URL -u 100 -r 10 -t 60s

THINK_MIN and THINK_MAX (seconds) and SESSION (requests) change what the plan says. Two classes say the same:
Person uses Locust's usual client (requests), FastPerson its faster one (geventhttpclient). Name one of them.
"""

import csv
import itertools
import os
import pathlib
import random

from locust import HttpUser, between
from locust.contrib.fasthttp import FastHttpUser

PLAN = pathlib.Path(__file__).parent.parent / "plans" / "assistant"
MESSAGES = [
    "How did I sleep this week?",
    "What should I eat tonight?",
    "Am I drinking enough water?",
    "Plan a workout for tomorrow",
    "Why am I so tired in the afternoon?",
    "How many calories did I have today?",
    "Give me a healthy breakfast idea",
    "How can I lower my stress?",
    "Is walking enough exercise?",
    "Remind me why vegetables are good",
]
with open(PLAN / "foods.csv", newline="") as file:
    FOODS = [row["name"] for row in csv.DictReader(file)]
SESSION = int(os.environ.get("SESSION", "50"))
HEADERS = {"X-API-Key": os.environ["API_KEY"]}
numbers = itertools.count(1)


class Someone:
    """What a person does. Whose session is over leaves, and somebody new, whom no cache knows, takes the place."""

    wait_time = between(float(os.environ.get("THINK_MIN", "5")), float(os.environ.get("THINK_MAX", "15")))

    def on_start(self):
        self.arrive()

    def arrive(self):
        self.user_id = f"loadtest_user_{next(numbers)}"
        self.left = SESSION

    def call(self, method, path, name, holds, **arguments):
        if self.left == 0:
            self.arrive()
        self.left -= 1
        with self.client.request(
            method, path, name=name, headers=HEADERS, catch_response=True, **arguments
        ) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")
            elif not holds(answer.json()):
                answer.failure("failed check")

    def chat(self):
        said = {"user_id": self.user_id, "message": random.choice(MESSAGES)}
        self.call("POST", "/api/v1/chat", "chat", lambda a: a["user_id"] == said["user_id"] and "reply" in a, json=said)

    def food(self):
        eaten = {"user_id": self.user_id, "food_name": random.choice(FOODS), "quantity": random.randint(1, 3)}
        self.call("POST", "/api/v1/food", "food", lambda a: a["logged"] is True, json=eaten)

    def reminders(self):
        path = f"/api/v1/reminders?user_id={self.user_id}"
        self.call("GET", path, "reminders", lambda a: "reminders" in a)

    def xp(self):
        path = f"/api/v1/gamification/xp?user_id={self.user_id}"
        self.call("GET", path, "xp", lambda a: a["xp"] >= 0)


    WEIGHTS = {chat: 50, food: 20, reminders: 20, xp: 10}


class Person(Someone, HttpUser):
    tasks = Someone.WEIGHTS


class FastPerson(Someone, FastHttpUser):
    tasks = Someone.WEIGHTS
