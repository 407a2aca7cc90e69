// What artillery.yml cannot say: which request is next, who makes it, for how long one thinks, and when it is over.
'use strict';

const fs = require('fs');
const path = require('path');

const MESSAGES = [
  'How did I sleep this week?',
  'What should I eat tonight?',
  'Am I drinking enough water?',
  'Plan a workout for tomorrow',
  'Why am I so tired in the afternoon?',
  'How many calories did I have today?',
  'Give me a healthy breakfast idea',
  'How can I lower my stress?',
  'Is walking enough exercise?',
  'Remind me why vegetables are good',
];
const plan = path.join(__dirname, '..', 'plans', 'assistant');
const FOODS = fs.readFileSync(path.join(plan, 'foods.csv'), 'utf8').trim().split('\n').slice(1);
const from = (name, usual) => Number(process.env[name] || usual);
const [LEAST, MOST] = [from('THINK_MIN', 5), from('THINK_MAX', 15)];
const SESSION = from('SESSION', 50);

let people = 0;
let over;

function choose(context, events, done) {
  over = over || Date.now() + from('DURATION', 60) * 1000;
  const vars = context.vars;
  if (!vars.left) {
    people += 1;
    vars.user = `loadtest_user_${people}`;
    vars.left = SESSION;
  }
  vars.left -= 1;
  const chance = Math.random() * 100;
  vars.isChat = Number(chance < 50);
  vars.isFood = Number(chance >= 50 && chance < 70);
  vars.isReminders = Number(chance >= 70 && chance < 90);
  vars.isXp = Number(chance >= 90);
  vars.message = MESSAGES[Math.floor(Math.random() * MESSAGES.length)];
  vars.food = FOODS[Math.floor(Math.random() * FOODS.length)];
  vars.quantity = 1 + Math.floor(Math.random() * 3);
  vars.pause = `${Math.round(1000 * (LEAST + Math.random() * (MOST - LEAST)))}ms`;
  return done();
}

function goesOn(context, next) {
  return next(Date.now() < over);
}

module.exports = { choose, goesOn };
