//! `/api/v1`: an assistant that chats, logs food, reminds and rewards. Answers take the model's time and
//! are cached; points are kept per user. Nothing here understands a word: replies are chosen by hash,
//! so the same question of the same user always gets the same answer.

use fred::{interfaces::KeysInterface as _, types::Value};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::{
    cache::{self, Area, Found},
    check::checked_user,
    link::CallError,
    replies::{self, Answer, Failure},
    routes::Call,
    state::Worker,
};

const XP_PER_MEAL: i64 = 10;
const XP_PER_LEVEL: i64 = 100;
const MAX_MESSAGE_BYTES: usize = 4000;
const MAX_FOOD_BYTES: usize = 200;
const MAX_QUANTITY: f64 = 10_000.0;

const ADVICE: [&str; 6] = [
    "A short walk after each meal would fit well into your day.",
    "Try to keep the same bedtime this week, also at the weekend.",
    "You drank less water than planned; a glass with every meal helps.",
    "Your week looks balanced. One more portion of vegetables a day would make it better still.",
    "Take it slowly today, and plan the next workout for tomorrow.",
    "That is a good start. Log it for three days, and we will look at the trend together.",
];
const REMINDERS: [&str; 5] =
    ["Drink a glass of water", "Log your lunch", "Go for a walk", "Take your vitamins", "Wind down for the night"];

#[derive(Deserialize)]
struct ChatRequest {
    user_id: String,
    message: String,
}

#[derive(Deserialize)]
struct FoodRequest {
    user_id: String,
    food_name: String,
    quantity: f64,
}

#[derive(Serialize)]
struct ChatBody<'a> {
    user_id: &'a str,
    reply: String,
    cached: bool,
}

#[derive(Serialize)]
struct FoodBody<'a> {
    logged: bool,
    user_id: &'a str,
    food_name: &'a str,
    quantity: f64,
    calories: f64,
    xp_gained: i64,
    xp: i64,
    cached: bool,
}

#[derive(Serialize)]
struct RemindersBody<'a> {
    user_id: &'a str,
    count: usize,
    reminders: Vec<Reminder>,
    cached: bool,
}

#[derive(Deserialize, Serialize)]
struct Reminder {
    text: String,
    /// Time of day.
    at: String,
}

#[derive(Serialize)]
struct XpBody<'a> {
    user_id: &'a str,
    xp: i64,
    level: i64,
    next_level_at: i64,
    cached: bool,
}

/// `POST /api/v1/chat`
pub(crate) async fn chat(call: &Call<'_>) -> Answer {
    let asked: ChatRequest = call.body_like(r#"{"user_id": "ada", "message": "How did I sleep?"}"#)?;
    let user = checked_user(&asked.user_id)?;
    let message = checked_text("message", &asked.message, MAX_MESSAGE_BYTES)?;
    let topic = cache::slug(message);
    let key = Area::Chat.key(&format!("{user}:{topic}"));
    let Found { value: reply, cached } =
        cache::through(call.worker, Area::Chat, &key, async || Ok(advice(user, &topic))).await?;
    Ok(replies::json(StatusCode::OK, &ChatBody { user_id: user, reply, cached }))
}

/// `POST /api/v1/food`: looks the food up, and rewards the logging.
pub(crate) async fn food(call: &Call<'_>) -> Answer {
    let asked: FoodRequest = call.body_like(r#"{"user_id": "ada", "food_name": "apple", "quantity": 1.5}"#)?;
    let user = checked_user(&asked.user_id)?;
    let food_name = checked_text("food_name", &asked.food_name, MAX_FOOD_BYTES)?;
    let quantity = asked.quantity;
    if !(quantity > 0.0 && quantity <= MAX_QUANTITY) {
        return Err(Failure::bad_request(&format!("quantity must be above 0 and at most {MAX_QUANTITY}")));
    }
    let name = cache::slug(food_name);
    let key = Area::Food.key(&name);
    let Found { value: per_unit, cached } =
        cache::through(call.worker, Area::Food, &key, async || Ok(calories_per_unit(&name))).await?;
    let xp = reward(call.worker, user).await?;
    let calories = (per_unit * quantity * 10.0).round() / 10.0;
    let body =
        FoodBody { logged: true, user_id: user, food_name, quantity, calories, xp_gained: XP_PER_MEAL, xp, cached };
    Ok(replies::json(StatusCode::OK, &body))
}

/// `GET /api/v1/reminders?user_id=`
pub(crate) async fn reminders(call: &Call<'_>) -> Answer {
    let user = call.query("user_id")?;
    let user = checked_user(&user)?;
    let key = Area::Reminders.key(user);
    let Found { value: reminders, cached } =
        cache::through(call.worker, Area::Reminders, &key, async || Ok(reminders_of(user))).await?;
    Ok(replies::json(StatusCode::OK, &RemindersBody { user_id: user, count: reminders.len(), reminders, cached }))
}

/// `GET /api/v1/gamification/xp?user_id=`
pub(crate) async fn xp(call: &Call<'_>) -> Answer {
    let user = call.query("user_id")?;
    let user = checked_user(&user)?;
    let key = Area::Xp.key(user);
    let Found { value: xp, cached } =
        cache::through(call.worker, Area::Xp, &key, async || stored_xp(call.worker, user).await).await?;
    let level = xp / XP_PER_LEVEL + 1;
    let body = XpBody { user_id: user, xp, level, next_level_at: level * XP_PER_LEVEL, cached };
    Ok(replies::json(StatusCode::OK, &body))
}

fn checked_text<'a>(field: &str, text: &'a str, max_bytes: usize) -> Result<&'a str, Failure> {
    let wordless = !text.contains(char::is_alphanumeric);
    if wordless || text.len() > max_bytes {
        return Err(Failure::bad_request(&format!("{field} must have a word, and at most {max_bytes} bytes")));
    }
    Ok(text)
}

fn advice(user: &str, topic: &str) -> String {
    let chosen = pick(&ADVICE, cache::hash(&format!("{user}:{topic}")));
    format!("About \"{}\": {chosen}", topic.replace('-', " "))
}

fn reminders_of(user: &str) -> Vec<Reminder> {
    let hash = cache::hash(user);
    let count = hash % 4 + 1;
    let reminder = |number| Reminder {
        text: pick(&REMINDERS, hash.rotate_right(8) + number).to_owned(),
        at: format!("{:02}:{:02}", 8 + number * 3, hash.rotate_right(16) % 60),
    };
    (0..count).map(reminder).collect()
}

/// Between 20 and 400 kcal.
fn calories_per_unit(food: &str) -> f64 {
    let kcal = u32::try_from(20 + cache::hash(food) % 381).unwrap_or(400);
    f64::from(kcal)
}

fn pick<'a>(from: &[&'a str], number: u64) -> &'a str {
    let length = u64::try_from(from.len()).unwrap_or(u64::MAX);
    let index = usize::try_from(number % length).unwrap_or(0);
    from[index]
}

/// Adds the points of a meal and returns the sum. The cached sum is dropped: whoever asks next sees the new one.
async fn reward(worker: &Worker, user: &str) -> Result<i64, CallError> {
    let client = worker.link.session()?.client;
    let points = points_key(user);
    let lifetime = worker.shared.settings.state_seconds();
    let pipeline = client.pipeline();
    let rewarded = async {
        let () = pipeline.incr_by(&points, XP_PER_MEAL).await?;
        let () = pipeline.expire(&points, lifetime, None).await?;
        let () = pipeline.del(Area::Xp.key(user)).await?;
        let (xp, _set, _dropped): (i64, Value, Value) = pipeline.all().await?;
        Ok(xp)
    };
    rewarded.await.map_err(|error| worker.link.failed(error))
}

async fn stored_xp(worker: &Worker, user: &str) -> Result<i64, CallError> {
    let client = worker.link.session()?.client;
    let xp: Option<i64> = client.get(points_key(user)).await.map_err(|error| worker.link.failed(error))?;
    Ok(xp.unwrap_or(0))
}

fn points_key(user: &str) -> String {
    format!("xp:{user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_reminders_at_times_of_day() {
        for number in 0..200 {
            let reminders = reminders_of(&format!("loadtest_user_{number}"));
            assert!((1..=4).contains(&reminders.len()));
            for reminder in reminders {
                assert!(("08:00"..="17:59").contains(&reminder.at.as_str()), "{}", reminder.at);
            }
        }
    }

    #[test]
    fn a_text_without_a_word_or_of_excessive_length_is_refused() {
        assert!(checked_text("message", "hi", 2).is_ok());
        for wrong in ["", "?!", "long"] {
            assert!(checked_text("message", wrong, 2).is_err(), "{wrong}");
        }
    }
}
