"use strict";
/* The screens of the study, in order. Each is one jsPsych trial: a text or pictures, and buttons. */

const STUDY = window.STUDY;
const answers = new Answers(STUDY, new URLSearchParams(location.search));
const PAUSE = 400; // ms before an answer is taken, so that no key press reaches two trials
const ACROSS = 4; // pictures in a row, as on paper

const escaped = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
const image = (name, alt) => `<img src="stimuli/${name}.png" alt="${alt}" draggable="false">`;
const keyOf = (trial, place) => (trial.choices[place].length === 1 ? trial.choices[place] : String(place + 1));

/** Run trials in an empty page; returns jsPsych's records. */
async function show(timeline) {
  const element = document.getElementById("study");
  element.replaceChildren();
  const jsPsych = initJsPsych({ display_element: element, override_safe_mode: true });
  element.tabIndex = -1;
  await jsPsych.run(timeline);
  return jsPsych.data.get().values();
}

/** A page of text; returns the place of the button that was pressed. */
async function page(html, buttons) {
  const records = await show([
    {
      type: jsPsychHtmlButtonResponse,
      stimulus: html,
      choices: buttons,
      button_layout: "flex",
      button_html: (label) => `<button type="button">${escaped(label)}</button>`,
      css_classes: ["text"],
      on_load: focusHeading,
    },
  ]);
  return records[0].response;
}

function focusHeading() {
  const heading = document.querySelector("#study h1");
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

function trialScreen(trial, number, count) {
  const pick = trial.stimuli.length > 1;
  const rows = Math.ceil(trial.stimuli.length / ACROSS);
  const columns = Math.ceil(trial.stimuli.length / rows);
  const layout = pick ? ["pick", `c${columns}`, `r${rows}`] : ["answers"];
  return {
    type: jsPsychHtmlButtonResponse,
    stimulus: stimulus(trial, number, count),
    choices: trial.choices,
    button_html: (_, place) => (pick ? option(trial, place) : answer(trial, place)),
    button_layout: pick ? "grid" : "flex",
    grid_rows: null,
    grid_columns: columns,
    enable_button_after: PAUSE,
    css_classes: ["trial", ...layout, ...(trial.reference ? ["with-reference"] : [])],
    on_load: focusHeading,
    on_finish: (data) =>
      answers.add({
        trial_id: trial.id,
        answer: trial.choices[data.response],
        rt: data.rt,
        timestamp: new Date().toISOString(),
        screen: `${screen.width}x${screen.height}`,
      }),
  };
}

function stimulus(trial, number, count) {
  const reference = trial.reference ? figure(trial.reference, "original") : "";
  const judged = trial.stimuli.length > 1 ? reference : `<div class="pictures">${reference}${figure(trial.stimuli[0], trial.reference ? "picture" : "")}</div>`;
  const practice = trial.practice ? '<span class="practice">Practice</span>' : "";
  return `<div class="bar"><progress value="${number - 1}" max="${count}"></progress>
    <span>Question ${number} of ${count}</span>${practice}<span class="hint">Click, or press the key in the box.</span></div>
    <h1 class="prompt">${escaped(trial.prompt)}</h1>${judged}`;
}

/** Neither of two faces that may be one person's is called the original: that would tell which was changed. */
function figure(name, caption) {
  const words = STUDY.design === "same-different" ? "" : caption;
  const below = words && `<figcaption>${words}</figcaption>`;
  return `<figure class="reference">${image(name, words || "picture")}${below}</figure>`;
}

function option(trial, place) {
  const key = keyOf(trial, place);
  return `<button type="button" class="option" data-key="${key}">${image(trial.stimuli[place], `picture ${key}`)}<kbd>${key}</kbd></button>`;
}

function answer(trial, place) {
  const key = keyOf(trial, place);
  const label = escaped(trial.labels[place]);
  const words = label.startsWith(key) ? label.slice(key.length) : ` ${label}`;
  return `<button type="button" data-key="${key}"><kbd>${key}</kbd>${words}</button>`;
}

/** Letters and digits press the button of that name; arrows go from button to button. */
function onKey(event) {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || tooSmall.matches) return;
  const buttons = [...document.querySelectorAll("#jspsych-html-button-response-btngroup button")];
  const pressed = buttons.find((button) => button.dataset.key === event.key.toUpperCase());
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (pressed && !pressed.disabled) {
    pressed.click();
  } else if (step && buttons.some((button) => button.dataset.key)) {
    const at = buttons.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : buttons.length - 1) : (at + step + buttons.length) % buttons.length;
    buttons[next].focus();
    event.preventDefault();
  }
}

const tooSmall = matchMedia("(max-width: 959px), (max-height: 559px)");

function leaveTo(code) {
  location.assign(`https://app.prolific.com/submissions/complete?cc=${encodeURIComponent(code)}`);
}

async function consent() {
  const pressed = await page(STUDY.texts.consent, STUDY.consent_choices);
  if (pressed !== 0) return refused();
  answers.keep({ consented: new Date().toISOString() });
  return true;
}

async function refused() {
  const code = STUDY.codes.no_consent;
  const text = "<h1>You have not agreed</h1><p>Nothing was recorded. Thank you for your time; you may close this page.</p>";
  const pressed = await page(text, [...(code ? ["Return to Prolific"] : []), "Go back and read the consent again"]);
  if (code && pressed === 0) leaveTo(code);
  else location.reload();
  return new Promise(() => {});
}

/** The form; on failure the participant may try again. */
async function begin() {
  for (;;) {
    try {
      return await answers.start();
    } catch (error) {
      const text = `<h1>The study cannot start</h1><p>${escaped(String(error.message))}</p><p>Please try again, or tell the organiser.</p>`;
      await page(text, ["Try again"]);
    }
  }
}

/** The plugin's own bar has inline styles, which the server's content policy forbids. */
async function preload(trials) {
  const names = trials.flatMap((trial) => [...(trial.reference ? [trial.reference] : []), ...trial.stimuli]);
  const images = [...new Set(names)].map((name) => `stimuli/${name}.png`);
  const message = '<div class="text"><h1>Loading the pictures …</h1></div>';
  const failed = '<div class="text"><h1>Some pictures could not be loaded</h1><p>Please load the page again; your answers are kept.</p></div>';
  await show([{ type: jsPsychPreload, images, message, show_progress_bar: false, continue_after_error: false, error_message: failed }]);
}

async function ask(form) {
  const done = answers.answered();
  const open = form.trials.filter((trial) => !done.has(trial.id));
  if (!open.length) return;
  await preload(open);
  const back = `<h1>Welcome back</h1><p>Your ${done.size} answers are kept. You go on with question ${done.size + 1} of ${form.trials.length}.</p>`;
  await page(done.size ? back : STUDY.texts.instructions + code(), [done.size ? "Go on" : "Start"]);
  for (const [place, part] of parts(form).entries()) {
    const left = part.filter((trial) => !done.has(trial.id));
    if (place && left.length === part.length && open[0] !== part[0]) await page(pause(form, part), ["Go on"]);
    const screens = left.map((trial) => trialScreen(trial, form.trials.indexOf(trial) + 1, form.trials.length));
    if (screens.length) await show(screens);
  }
}

/** The practice, where there is one, and the blocks: between them are breaks. */
function parts(form) {
  const found = form.blocks.map((question) => form.trials.filter((trial) => !trial.practice && trial.question === question));
  const practice = form.trials.filter((trial) => trial.practice);
  return practice.length ? [practice, ...found] : found;
}

function pause(form, part) {
  const number = form.blocks.indexOf(part[0].question) + 1;
  const head = `Part ${number} of ${form.blocks.length}`;
  if (number === 1) return `<h1>${head}</h1><p>The practice is over. From here on your answers count.</p>`;
  return `<h1>${head}</h1><p>The question is another one from here on. Take a break, if you like: nothing is timed now.</p>`;
}

/** What a participant gives who wants the answers deleted. */
function code() {
  return `<p>Your code is <strong>${escaped(answers.state.participant)}</strong>. Keep it, in case you want your answers deleted.</p>`;
}

async function handIn() {
  document.getElementById("study").innerHTML = '<div class="text"><h1>Saving your answers …</h1><p>Please keep this page open.</p></div>';
  if (STUDY.server) return answers.send();
  if (!STUDY.post_url && !answers.state.saved) answers.save();
  answers.keep({ saved: true });
  return answers.upload();
}

async function end(arrived) {
  const problem = arrived ? "" : '<p class="note">Your answers could not be sent. Please save them with the button below and give the file to the organiser.</p>';
  const local = STUDY.server || STUDY.post_url ? "" : "<p>Your answers were saved as a file in the folder for downloads. Please give it to the organiser.</p>";
  const completed = STUDY.codes.completed;
  const actions = [
    ...(completed && arrived ? [["Finish and return to Prolific", () => leaveTo(completed)]] : []),
    ...(local || !arrived ? [["Save my answers again", () => answers.save()]] : []),
    ...(arrived ? [] : [["Send again", () => location.reload()]]),
    ...(answers.named || !arrived ? [] : [["Next participant", () => next()]]),
  ];
  for (;;) {
    const pressed = await page(STUDY.texts.debrief + problem + local + code(), actions.map(([label]) => label));
    actions[pressed][1]();
  }
}

async function next() {
  answers.forget();
  location.reload();
}

async function main() {
  document.title = STUDY.title;
  document.getElementById("draft").hidden = !STUDY.draft;
  document.addEventListener("keydown", onKey);
  const leave = document.getElementById("leave");
  leave.hidden = !STUDY.codes.screened_out;
  leave.onclick = () => leaveTo(STUDY.codes.screened_out);
  if (!answers.state.consented) await consent();
  await ask(await begin());
  await end(await handIn());
}

main();
