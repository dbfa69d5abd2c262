"use strict";
const slider = document.getElementById("under");
slider.addEventListener("input", () => document.documentElement.style.setProperty("--under", slider.value / 100));
