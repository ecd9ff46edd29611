// Copyright 2026 The mmer_ros authors
// Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
// in compliance with the License. You may obtain a copy of the License at
//     http://www.apache.org/licenses/LICENSE-2.0
// Unless required by applicable law or agreed to in writing, software distributed under the
// License is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either
// express or implied. See the License for the specific language governing permissions and
// limitations under the License.

// Logs the final estimates of which the model is sure.

#include <memory>
#include <string>

#include "mmer_msgs/msg/emotion_estimate.hpp"
#include "rclcpp/rclcpp.hpp"

using mmer_msgs::msg::EmotionEstimate;

class Listener : public rclcpp::Node
{
public:
  Listener()
  : Node("listener"), min_confidence_(declare_parameter("min_confidence", 0.6))
  {
    // The publisher is reliable with a depth of 10; so is this.
    subscription_ = create_subscription<EmotionEstimate>(
      "emotion", 10, [this](const EmotionEstimate & estimate) {take(estimate);});
  }

private:
  void take(const EmotionEstimate & estimate) const
  {
    if (!estimate.final || !estimate.trained || estimate.confidence < min_confidence_) {
      return;
    }
    RCLCPP_INFO(
      get_logger(), "%s: %s %.0f%%, from%s", who(estimate).c_str(), estimate.label.c_str(),
      100.0 * estimate.confidence, evidence(estimate.modalities).c_str());
  }

  static std::string who(const EmotionEstimate & estimate)
  {
    for (const auto & id : {estimate.person_id, estimate.voice_id, estimate.face_id}) {
      if (!id.empty()) {
        return id;
      }
    }
    return "somebody";
  }

  static std::string evidence(uint8_t modalities)
  {
    std::string names;
    if (modalities & EmotionEstimate::MODALITY_TEXT) {
      names += " words";
    }
    if (modalities & EmotionEstimate::MODALITY_AUDIO) {
      names += " voice";
    }
    if (modalities & EmotionEstimate::MODALITY_FACE) {
      names += " face";
    }
    return names;
  }

  double min_confidence_;
  rclcpp::Subscription<EmotionEstimate>::SharedPtr subscription_;
};

int main(int argc, char ** argv)
{
  rclcpp::init(argc, argv);
  rclcpp::spin(std::make_shared<Listener>());
  rclcpp::shutdown();
  return 0;
}
