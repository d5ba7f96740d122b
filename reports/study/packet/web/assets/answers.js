"use strict";
/* What a participant has done so far: kept in this browser, sent to whoever collects, saved as a file. */

class Answers {
  static ID = /^[A-Za-z0-9_-]{1,64}$/;

  constructor(study, parameters) {
    this.study = study;
    const given = parameters.get("PROLIFIC_PID") || parameters.get("participant") || "";
    this.named = Answers.ID.test(given);
    const asked = parameters.get("form") || "";
    this.place = ["fesbench", study.id, this.named ? given : "", asked].join(":");
    const form = study.forms.includes(asked) ? asked : "";
    this.state = this.kept() || { participant: this.named ? given : "w" + random().slice(0, 10), token: random(), form, rows: [], sent: 0 };
  }

  kept() {
    try {
      return JSON.parse(localStorage.getItem(this.place));
    } catch {
      return null;
    }
  }

  /** Keep the progress; where the browser forbids it, the study still works, but not past a closed tab. */
  keep(change) {
    Object.assign(this.state, change);
    try {
      localStorage.setItem(this.place, JSON.stringify(this.state));
    } catch {
      notice("This browser keeps nothing: please do not close the page before the end.");
    }
  }

  forget() {
    localStorage.removeItem(this.place);
  }

  add(row) {
    this.keep({ rows: [...this.state.rows, row] });
    if (this.study.server) this.send();
  }

  /** The trials answered in this browser, and those that the server has of an earlier one. */
  answered() {
    return new Set([...(this.state.earlier || []), ...this.state.rows.map((row) => row.trial_id)]);
  }

  /** The form to answer; throws with a message for the participant. */
  async start() {
    if (!this.study.server) {
      if (!this.state.form) this.keep({ form: this.study.forms[this.choice()] });
      return script(`forms/${this.state.form}.js`);
    }
    const { participant, token } = this.state;
    const reply = await post("api/start", { participant, token, screen: `${screen.width}x${screen.height}` });
    const content = await reply.json();
    if (!reply.ok) throw new Error(content.error);
    this.keep({ form: content.form.id, earlier: content.answered });
    return content.form;
  }

  /** Which form: the same for a named participant in every browser, else by chance. */
  choice() {
    let number = crypto.getRandomValues(new Uint32Array(1))[0];
    if (this.named) {
      number = 2166136261;
      for (const letter of this.state.participant) number = Math.imul(number ^ letter.charCodeAt(0), 16777619) >>> 0;
    }
    return number % this.study.forms.length;
  }

  /** Send what the server has not acknowledged yet, in order, until all is sent; true unless some was refused. */
  send() {
    this.sending ||= this.deliver().finally(() => (this.sending = null));
    return this.sending;
  }

  async deliver() {
    for (let pause = 500; this.state.sent < this.state.rows.length; ) {
      const { trial_id, answer, rt } = this.state.rows[this.state.sent];
      const reply = await post("api/answer", { token: this.state.token, trial_id, answer, rt_ms: rt }).catch(() => null);
      if (reply && reply.status < 500 && ![408, 429].includes(reply.status)) {
        this.keep({ sent: this.state.sent + 1, refused: (this.state.refused || 0) + (reply.ok ? 0 : 1) });
        pause = 500;
        notice("");
      } else {
        notice("Your answers are not saved yet: the connection is lost. Trying again …");
        await wait(pause);
        pause = Math.min(2 * pause, 10000);
      }
    }
    return !this.state.refused;
  }

  /** All answers to an address that takes them in one piece, such as DataPipe's; true when it said that it has them. */
  async upload() {
    if (this.state.uploaded || !this.study.post_url) return true;
    const body = { experimentID: this.study.datapipe, filename: this.filename(), data: this.csv() };
    for (const pause of [1000, 4000, 0]) {
      const reply = await post(this.study.post_url, body).catch(() => null);
      if (reply && reply.ok) {
        this.keep({ uploaded: true });
        return true;
      }
      await wait(pause);
    }
    return false;
  }

  filename() {
    return `${this.study.id}-${this.state.form}-${this.state.participant}.csv`;
  }

  csv() {
    const columns = ["trial_id", "answer", "rt", "timestamp", "screen"];
    const head = [this.study.id, this.state.participant, this.state.form];
    const lines = this.state.rows.map((row) => [...head, ...columns.map((name) => row[name])].join(","));
    return ["study_id,participant,form_id," + columns.join(","), ...lines].join("\r\n") + "\r\n";
  }

  save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([this.csv()], { type: "text/csv" }));
    link.download = this.filename();
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }
}

function random() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function wait(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function notice(text) {
  document.getElementById("notice").textContent = text;
}

function post(address, body) {
  const headers = { "Content-Type": "application/json", Accept: "*/*" };
  return fetch(address, { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.timeout(15000) });
}

/** A form's file is a script, since a page on a disk may read no other file. */
function script(address) {
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = address;
    element.onload = () => resolve(window.FORM);
    element.onerror = () => reject(new Error(`The file ${address} is missing.`));
    document.head.append(element);
  });
}
